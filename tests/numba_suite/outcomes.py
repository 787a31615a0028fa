# SPDX-License-Identifier: BSD-3-Clause
"""What became of each test, read from pytest's JUnit files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

#: From the one that counts least to the one that counts most: a test with subtests has several.
ORDER = ("skipped", "passed", "failed")


@dataclass
class Outcomes:
    """Tests by name (``cudapy.test_math.TestCudaMath.test_math_sin``) and what each one came to."""

    tests: dict[str, str] = field(default_factory=dict)
    #: The last line of what a failed test said.
    messages: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, outcome: str, message: str = "") -> None:
        """Note one outcome of a test."""
        known = self.tests.get(name)
        if known is None or ORDER.index(outcome) > ORDER.index(known):
            self.tests[name] = outcome
        if outcome == "failed" and message:
            self.messages.setdefault(name, message)

    def update(self, other: Outcomes) -> None:
        """Take in another module's outcomes."""
        self.tests.update(other.tests)
        self.messages.update(other.messages)

    def count(self) -> Counter[str]:
        """Return how many passed, failed and were skipped."""
        return Counter(self.tests.values())

    def failed(self) -> list[str]:
        """Return the names of the failed tests, sorted."""
        return sorted(name for name, outcome in self.tests.items() if outcome == "failed")


def read(module: str, junit: Path) -> Outcomes:
    """Return the outcomes of one module's tests; a module that left no file has failed as a whole."""
    outcomes = Outcomes()
    try:
        cases = list(ET.parse(junit).getroot().iter("testcase"))
    except (OSError, ET.ParseError) as error:
        outcomes.add(module, "failed", f"the module's tests did not end: {error}")
        return outcomes
    for case in cases:
        group = (case.get("classname") or "").rpartition(".")[2]
        name = ".".join(part for part in (module, group, case.get("name") or "") if part)
        outcomes.add(name, *_outcome(case))
    return outcomes


def _outcome(case: ET.Element) -> tuple[str, str]:
    for child in case:
        if child.tag in ("failure", "error"):
            lines = (child.get("message") or child.text or "").strip().splitlines()
            return "failed", lines[0][:200] if lines else ""
        if child.tag == "skipped":
            return "skipped", ""
    return "passed", ""
