# SPDX-License-Identifier: BSD-3-Clause
"""Has something got worse? Compares a run's ratios with ``limits.txt``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .comparisons import Bound, Comparison, comparisons
from .figures import Taken
from .tables import number, table

LIMITS = Path(__file__).resolve().parent / "limits.txt"


def parse(text: str) -> dict[str, Bound]:
    """Read lines ``NAME <= NUMBER`` or ``NAME >= NUMBER``; ``ValueError`` with the line that is neither."""
    limits = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, sign, value = words
            limits[name] = Bound({"<=": "<=", ">=": ">="}[sign], float(value))
        except (ValueError, KeyError):
            msg = f"no limit: {line!r}: write NAME <= NUMBER or NAME >= NUMBER"
            raise ValueError(msg) from None
    return limits


def worse(
    taken: Taken, limits: dict[str, Bound], among: Sequence[Comparison]
) -> list[tuple[Comparison, float, Bound]]:
    """Return what is past its limit. ``ValueError`` for a limit of something that is not compared."""
    known = {each.name: each for each in among}
    unknown = ", ".join(limits.keys() - known.keys())
    if unknown:
        msg = f"limits for what is not measured: {unknown}"
        raise ValueError(msg)
    found = []
    for name, limit in limits.items():
        value = known[name].median(taken)
        if value is not None and not limit.holds(value):
            found.append((known[name], value, limit))
    return found


def report(taken: Taken) -> int:
    """Print what got worse, and return the exit code: 1 if something did."""
    limits = parse(LIMITS.read_text())
    found = worse(taken, limits, comparisons())
    compared = sum(each.median(taken) is not None for each in comparisons() if each.name in limits)
    if not found:
        print(f"{compared} of {len(limits)} ratios compared, none past its limit in {LIMITS.name}.")
        return 0
    rows = [[each.name, each.text, number(value, each.unit), str(limit)] for each, value, limit in found]
    print(table(["ratio", "what it is", "now", "limit"], rows))
    print(
        f"{len(found)} of {compared} ratios got worse. On a busy machine, run it again first.",
        file=sys.stderr,
    )
    return 1
