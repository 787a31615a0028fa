# SPDX-License-Identifier: BSD-3-Clause
"""Genuine CUDA runtimes, shared and linked statically: start, launch, reset, end, with one and two GPUs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks

VERSIONS = tuple(environments.RUNTIMES)
SOURCES = PROGRAMS / "cudart"


def linked_with(runtime: Path, kind: str) -> list[str]:
    """The linker's arguments for one runtime; skips where the package has no such library."""
    if kind == "shared":
        (library,) = (runtime / "lib").glob("libcudart.so.*")
        return [str(library), f"-Wl,-rpath,{library.parent}"]
    archives = [runtime / "lib" / name for name in ("libcudart_static.a", "libculibos.a")]
    if not archives[0].exists():
        pytest.skip(f"the package of {runtime} has no static library")
    return [str(archive) for archive in archives if archive.exists()] + ["-ldl", "-lrt", "-lpthread"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Path]:
    """Compiles a program against one version of the runtime."""
    folder = tmp_path_factory.mktemp("cudart")

    def build(program: str, version: str, kind: str) -> Path:
        executable = folder / f"{program}-{version}-{kind}"
        if executable.exists():
            return executable
        compiler = shutil.which("cc") or pytest.skip("no C compiler")
        runtime = environments.runtime(version)
        headers = [f"-I{runtime / 'include'}", "-isystem", str(environments.common_headers())]
        per_thread = ["-DCUDA_API_PER_THREAD_DEFAULT_STREAM"] if program == "threads" else []
        source = str(SOURCES / f"{program}.c")
        command = [compiler, "-O1", *per_thread, *headers, source, "-o", str(executable)]
        subprocess.run([*command, *linked_with(runtime, kind), "-lpthread"], check=True)
        return executable

    return build


@pytest.mark.parametrize("gpus", [1, 2])
@pytest.mark.parametrize("kind", ["shared", "static"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("program", ["launch", "reset", "threads", "leave"])
def test_program(passes, built, program: str, version: str, kind: str, gpus: int) -> None:
    passes(built(program, version, kind), gpus, gpus=gpus, share="0.1")
