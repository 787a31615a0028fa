# SPDX-License-Identifier: BSD-3-Clause
"""The command line within this process: quick, and against a real pool all the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from bfkernel.cli.main import main


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def row(self, word: str) -> list[str]:
        """Return the cells of the table's row that ``word`` stands in."""
        (line,) = [line for line in self.out.splitlines() if word in line]
        return [cell.strip() for cell in line.split("  ") if cell.strip()]


class Commands:
    """Runs commands to their end."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """Run one; it must end with ``code``, and a failure must say why in one sentence."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = self._capsys.readouterr()
        result = Result(int(ended.value.code or 0), printed.out, printed.err)
        assert result.code == code, result
        if code:
            assert result.err.startswith("bfkernel: "), result.err
            assert result.err.count("\n") == 1, result.err
        return result
