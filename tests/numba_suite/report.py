# SPDX-License-Identifier: BSD-3-Clause
"""The record of a whole run: a JSON file beside this one, and the page of the documentation."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path

from .explanations import why
from .outcomes import Outcomes

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "compatibility" / "numba-suite.md"
WANTED_SHARE = 0.95
PACKAGES = ("numba-cuda", "numba", "cuda-bindings", "cuda-core", "nvidia-cuda-nvcc")


def record(outcomes: Outcomes, python: str) -> int:
    """Write both, and return the exit status: 1 where too many failed, or one that nobody has explained."""
    counts = outcomes.count()
    results = {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "versions": _versions(python),
        **{name: counts[name] for name in ("passed", "failed", "skipped")},
        "failures": {name: outcomes.messages.get(name, "") for name in outcomes.failed()},
    }
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(page(results))
    unexplained = [name for name in outcomes.failed() if not why(name)]
    for name in unexplained:
        print(f"not explained: {name}")
    share = counts["passed"] / max(1, counts["passed"] + counts["failed"])
    print(f"{share:.2%} of what is not skipped passes")
    return 1 if unexplained or share < WANTED_SHARE else 0


def page(results: dict) -> str:
    """Return the page."""
    passed, failed = results["passed"], results["failed"]
    text = [
        "# numba-cuda's own tests\n",
        "<!-- Written by `make numba-suite`. Do not edit. -->\n",
        f"The tests that numba-cuda ships, each module on a lease of its own, on softgpu ({results['date']};",
        ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + "):",
        f"**{passed} passed, {failed} failed, {results['skipped']} skipped by themselves**;",
        f"{passed / max(1, passed + failed):.2%} of what is not skipped passes.",
        "`make numba-suite` makes the environment, runs them and writes this page.\n",
    ]
    if not results["failures"]:
        return "\n".join(text)
    text += ["## What fails, and why\n"]
    groups: dict[str, list[str]] = {}
    for name in results["failures"]:
        groups.setdefault(why(name) or "Not explained yet.", []).append(name)
    for reason, names in groups.items():
        text += [reason + "\n", *(f"- `{name}`" for name in names), ""]
    return "\n".join(text).rstrip() + "\n"


def _versions(python: str) -> dict[str, str]:
    code = "import importlib.metadata as m, sys; print(*(m.version(p) for p in sys.argv[1:]))"
    out = subprocess.run(
        [python, "-c", code, *PACKAGES], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(zip(PACKAGES, out.stdout.split(), strict=True))
