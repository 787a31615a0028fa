# SPDX-License-Identifier: BSD-3-Clause
"""The sections of the check. Each is given a bench to run things on, and returns what it saw as rows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import prepare
from .pool import SOFTGPUS, Run, on_share, python, run
from .report import Row, Verdict
from .said import Said, compare, parse

NO_GPU = "not run: no GPU"
SHARES = (1, 0.1, 0.05, 0.02)
CLIENTS, CLIENT_SHARE = 20, 0.05


@dataclass(frozen=True)
class Bench:
    """What a section runs on: a pool, and how long it may take. Without a GPU the pool is softgpu's."""

    env: dict[str, str]  # of clients of the pool
    dry: bool
    end: float  # time.monotonic() when the section must have ended

    def left(self) -> float:
        return max(self.end - time.monotonic(), 1.0)

    def native(self, command: Sequence[str]) -> Run:
        return run(command, self.env, self.left())

    def shared(self, command: Sequence[str], share: float = 1, gpus: int = 1) -> Run:
        return on_share(command, self.env, share, self.left(), gpus)


@dataclass(frozen=True)
class Section:
    """A part of the check that can be run by its name."""

    name: str
    limit_s: float
    rows: Callable[[Bench], list[Row]]


def _program(
    section: str, module: str, packages: tuple[str, ...], *, softgpu: bool = False
) -> Callable[..., list[Row]]:
    """A program that is run natively and on a whole GPU, and says the same; `softgpu` can run it as well."""
    command = python(f"tests.gpu.programs.{module}")

    def rows(bench: Bench, shares: Sequence[float] = (1,)) -> list[Row]:
        if missing := prepare.missing_packages(packages):
            return [Row(section, module, Verdict.SKIPPED, note=f"not installed: {', '.join(missing)}")]
        if bench.dry:
            imported = bench.native([*command, "--import"])
            if not imported.good:
                return [Row(section, module, Verdict.FAILED, note=imported.why())]
            if not softgpu:
                return [Row(section, module, Verdict.NOT_RUN, note=f"{NO_GPU}; it can be imported")]
            done = bench.shared(command)
            return [_alone(section, module, done)]
        native = bench.native(command)
        if not native.good:
            return [Row(section, module, Verdict.SKIPPED, native.why(), note="does not run natively")]
        found = []
        for share in shares:
            done = bench.shared(command, share)
            where = f"({share:g})" if len(shares) > 1 else ""
            if not done.good:
                found.append(Row(section, f"{module} {where}".strip(), Verdict.FAILED, "ran", done.why()))
                continue
            found += compare(section, parse(native.output), parse(done.output), where)
        return found

    return rows


def _alone(section: str, check: str, done: Run) -> Row:
    said: Said = parse(done.output)
    good = done.good and bool(said)
    note = "on softgpu; " + NO_GPU if good else done.why()
    return Row(section, check, Verdict.PASSED if good else Verdict.FAILED, note=note)


def _conformance(bench: Bench) -> list[Row]:
    from tests.conformance.build import build, executable
    from tests.conformance.sources import all_programs
    from tests.conformance.toolkit import find_nvcc, installed

    ways = []
    if find_nvcc():
        ways = ["nvcc-static"] if bench.dry else ["native-shared", "nvcc-static"]
    elif installed():
        ways = ["plain-static"]
    if not ways:
        return [Row("conformance", "all", Verdict.SKIPPED, note="neither nvcc nor the runtime's headers")]
    programs, folder = all_programs(), prepare.BUILD / "conformance"
    build(folder, programs, ways)

    def one(program, way: str) -> Row:
        check, path = f"{program.name} {way}", [str(executable(folder, program, way))]
        if program.gpus > gpus:
            return Row("conformance", check, Verdict.SKIPPED, note=f"wants {program.gpus} GPUs")
        native = natively.get(program.name) if way == ways[0] else None
        return _judged(check, program.expected, native, bench.shared(path, 0.05, program.gpus))

    gpus = SOFTGPUS if bench.dry else len(prepare.gpus())
    natively = {}
    if not bench.dry:
        # One after the other: some look at the whole GPU's memory, or take all of it.
        fitting = (p for p in programs if p.gpus <= gpus)
        natively = {p.name: bench.native([str(executable(folder, p, ways[0]))]) for p in fitting}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 2)) as executor:
        return list(executor.map(lambda pair: one(*pair), [(p, way) for way in ways for p in programs]))


def _judged(check: str, expected: str, native: Run | None, shared: Run) -> Row:
    """As its source says; or, where this GPU natively does otherwise than its source says, as natively."""
    good = shared.good and shared.output == expected
    note = ""
    if not good and native is not None and (native.code, native.output) == (shared.code, shared.output):
        good, note = True, "the same as natively, if not what the source expects"
    verdict = Verdict.PASSED if good else Verdict.FAILED
    first = "" if native is None else _as_expected(native, expected)
    return Row("conformance", check, verdict, first, _as_expected(shared, expected), note)


def _as_expected(done: Run, expected: str) -> str:
    if done.good and done.output == expected:
        return "as expected"
    if not done.good:
        return done.why()
    pairs = zip(done.output.splitlines(), expected.splitlines(), strict=False)
    return next((f"printed '{seen}'" for seen, wanted in pairs if seen != wanted), "printed less")


def _memory(bench: Bench) -> list[Row]:
    """The limit of every size of share, as the driver tells it and as allocations meet it."""
    command = python("tests.gpu.programs.memory")
    whole = bench.shared(command, 1)
    if not whole.good:
        return [Row("memory", "share 1", Verdict.FAILED, note=whole.why())]
    total = _memory_figures(whole)[0]
    parts = ((share, bench.shared(command, share)) for share in SHARES[1:])
    return [_memory_row(1, whole, total), *(_memory_row(share, done, total) for share, done in parts)]


def _memory_figures(done: Run) -> list[int]:
    line = next((line for line in done.output.splitlines() if line.startswith("memory ")), "memory 0 0 0 0 0")
    return [int(word) for word in line.split()[1:]]


def _memory_row(share: float, done: Run, whole: int) -> Row:
    if not done.good:
        return Row("memory", f"share {share:g}", Verdict.FAILED, note=done.why())
    total, before, held, left, after = _memory_figures(done)
    piece = max(total // 64, 2 << 20)
    good = (
        abs(total - share * whole) <= 0.01 * share * whole
        and held + 2 * piece >= before  # what is said to be free can be had
        and held + left <= before
        and after + piece >= before
    )
    seen = f"{total >> 20} MiB, {held >> 20} could be had"
    return Row(
        "memory", f"share {share:g}", Verdict.PASSED if good else Verdict.FAILED, f"{whole >> 20} MiB", seen
    )


def _clients(bench: Bench) -> list[Row]:
    """Many clients at once, each computing and checking on its own share."""
    command = python("tests.gpu.programs.client", "2" if bench.dry else "10")
    clients = 4 if bench.dry else CLIENTS
    with ThreadPoolExecutor(max_workers=clients) as executor:
        runs = list(executor.map(lambda _: bench.shared(command, CLIENT_SHARE), range(clients)))
    rounds = [
        int(run.output.split()[-1]) if run.good and run.output.startswith("rounds") else 0 for run in runs
    ]
    bad = [run.why() for run in runs if not run.good]
    seen = f"{min(rounds)} to {max(rounds)} rounds each"
    verdict = Verdict.PASSED if not bad and min(rounds) > 0 else Verdict.FAILED
    return [Row("clients", f"{clients} at {CLIENT_SHARE:g}", verdict, "", seen, note=bad[0] if bad else "")]


_resnet = _program("speed", "torch_resnet", ("torch",))

SECTIONS = (
    Section("conformance", 150, _conformance),
    Section("memory", 40, _memory),
    Section("clients", 60, _clients),
    Section("speed", 110, lambda bench: _resnet(bench, SHARES)),
    Section("gpt", 45, _program("gpt", "torch_gpt", ("torch",))),
    Section("torch", 60, _program("torch", "torch_features", ("torch",))),
    Section("libraries", 60, _program("libraries", "libraries", ("torch",))),
    Section("compile", 120, _program("compile", "torch_compile", ("torch", "triton"))),
    Section("jax", 60, _program("jax", "jax_check", ("jax",))),
    Section("cupy", 60, _program("cupy", "cupy_check", ("cupy",))),
    Section("numba", 45, _program("numba", "numba_check", ("numba_cuda",), softgpu=True)),
)


class UnknownSection(Exception):
    """There is no section of that name."""


def select(names: Sequence[str]) -> list[Section]:
    """Return the sections of these names in the order of the check; all of them without names."""
    known = {section.name for section in SECTIONS}
    if unknown := [name for name in names if name not in known]:
        msg = f"no section {', '.join(unknown)}; there are {', '.join(section.name for section in SECTIONS)}"
        raise UnknownSection(msg)
    return [section for section in SECTIONS if not names or section.name in names]
