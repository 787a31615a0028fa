# SPDX-License-Identifier: BSD-3-Clause
"""``python -m tests.gpu [SECTION…] [--dry]``: the hardware check. See docs/howto/gpu-check.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from pathlib import Path

from . import prepare
from .pool import served
from .report import Row, Verdict, as_json, failed, table
from .sections import SECTIONS, Bench, Section, UnknownSection, select

TOTAL_LIMIT_S = 570.0  # a run of ten minutes, with time to write the report
NO_GPU_EXIT = 2


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run_section(section: Section, env: dict[str, str], dry: bool, end: float) -> list[Row]:
    bench = Bench(env, dry, min(end, time.monotonic() + section.limit_s))
    if bench.left() <= 1:
        return [Row(section.name, "all", Verdict.NOT_RUN, note="no time left")]
    try:
        return section.rows(bench)
    except Exception as error:  # noqa: BLE001 - one section's trouble is not the others'
        _say(traceback.format_exc())
        return [Row(section.name, "all", Verdict.FAILED, note=f"{type(error).__name__}: {error}")]


def _check(sections: list[Section], dry: bool, end: float) -> tuple[list[Row], dict[str, float]]:
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    with served(prepare.environment(), "softgpu" if dry else "auto") as env:
        for section in sections:
            _say(f"section {section.name}")
            began = time.monotonic()
            rows += _run_section(section, env, dry, end)
            seconds[section.name] = time.monotonic() - began
    return rows, seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(s.name for s in SECTIONS))
    parser.add_argument("--dry", action="store_true", help="all that can be done without a GPU, on softgpu")
    parser.add_argument("--wheels", type=Path, default=prepare.ROOT / ".whl", help="carried packages (.whl/)")
    parser.add_argument(
        "--json", type=Path, default=prepare.BUILD / "gpu-check.json", help="where the JSON goes"
    )
    parser.add_argument("--limit", type=float, default=TOTAL_LIMIT_S, help="seconds for everything (570)")
    return parser


def main() -> int:
    options = _parser().parse_args()
    end = time.monotonic() + options.limit
    try:
        sections = select(options.sections)
        if not options.dry and not prepare.gpus():
            _say("no GPU: NVIDIA's driver is not here, or has none. --dry does what can be done without one.")
            return NO_GPU_EXIT
        _say("packages")
        prepare.install(options.wheels)
        _say("native parts")
        prepare.build()
        rows, seconds = _check(sections, options.dry, end)
    except (UnknownSection, prepare.NotReady) as error:
        _say(str(error))
        return 1
    print(table(rows))
    text = as_json({**prepare.machine(), "dry": options.dry}, rows, seconds)
    _write(options.json, text)
    if out := os.environ.get("OUT"):
        _write(Path(out, "gpu-check.json"), text)
        _write(Path(out, "gpu-check.md"), table(rows) + "\n")
    return 1 if failed(rows) else 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    raise SystemExit(main())
