# SPDX-License-Identifier: BSD-3-Clause
"""The result of the check: a table for people and JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum


class Verdict(str, Enum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    SKIPPED = "skipped"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Row:
    """One check: what it showed natively and on a share."""

    section: str
    check: str
    verdict: Verdict
    native: str = ""
    shared: str = ""
    note: str = ""


_HEAD = ("section", "check", "result", "native", "on a share", "note")
_WIDEST = 60


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table that is also readable as it is."""
    cells = [_HEAD, *(_cells(row) for row in sorted(rows, key=lambda row: row.section))]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEAD))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", summary(rows)])


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)) + " |"


def _cells(row: Row) -> tuple[str, ...]:
    texts = (row.section, row.check, row.verdict.value, row.native, row.shared, row.note)
    return tuple(_short(text) for text in texts)


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def summary(rows: Iterable[Row]) -> str:
    """Count the verdicts."""
    counts = Counter(row.verdict for row in rows)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)


def as_json(machine: Mapping[str, object], rows: Sequence[Row], seconds: Mapping[str, float]) -> str:
    """Return everything, with the notes in full."""
    found = {
        "machine": machine,
        "seconds": {name: round(took, 1) for name, took in seconds.items()},
        "rows": [{**asdict(row), "verdict": row.verdict.value} for row in rows],
    }
    return json.dumps(found, indent=1)


def failed(rows: Iterable[Row]) -> bool:
    """Whether the check as a whole has failed."""
    return any(row.verdict is Verdict.FAILED for row in rows)
