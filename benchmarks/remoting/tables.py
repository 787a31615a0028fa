# SPDX-License-Identifier: BSD-3-Clause
"""Tables in Markdown, and putting them between two marks of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def number(value: float | None, unit: str = "") -> str:
    """Return a number with three digits, and its unit; a dash for None."""
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table: the first column is words, the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def between_marks(page: str, mark: str, content: str) -> str:
    """Return the page with ``content`` between ``<!-- mark -->`` and ``<!-- /mark -->``.

    A page without the marks stays as it is.
    """
    pattern = rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- /{re.escape(mark)} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}\n{content}\n\n{found[2]}", page, flags=re.DOTALL)


def rewrite(path: Path, contents: dict[str, str]) -> None:
    """Put contents between their marks in a file."""
    page = path.read_text()
    for mark, content in contents.items():
        page = between_marks(page, mark, content)
    path.write_text(page)
