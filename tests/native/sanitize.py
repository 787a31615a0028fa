# SPDX-License-Identifier: BSD-3-Clause
"""Build the native parts with sanitizers and run the native tests: ``python -m tests.native.sanitize``.

AddressSanitizer and UndefinedBehaviorSanitizer see the C++ tests and the PTX tests, ThreadSanitizer the C++
tests, where the worker's threads meet, and the shim's with those of a program (``shim/stress_test.cpp``).
Only what these tests run is built.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CPP_TESTS = (
    "wire_shared_test",
    "wire_stripes_test",
    "worker_units_test",
    "worker_process_test",
    "worker_calls_test",
    "worker_watch_test",
    "worker_code_cache_test",
    "worker_shared_test",
    "worker_stripes_test",
    "shim_fatbin_test",
    "shim_stress_test",
    "fuzz_frames",
)
# Graphs and green contexts are tested over softgpu, which ThreadSanitizer would slow to minutes.
SOFTGPU_TESTS = ("worker_graphs_test", "worker_green_test")
BUILDS = {
    "asan": ("address,undefined", ("softgpu", *SOFTGPU_TESTS, *CPP_TESTS), ""),
    "tsan": ("thread", CPP_TESTS, "worker_gr"),
}
JOBS = str(min(os.cpu_count() or 1, 8))


def run(*command: str, **environment: str) -> None:
    """Run a command, show it, and stop at a failure."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **environment})


def build(name: str, sanitizers: str, targets: tuple[str, ...]) -> Path:
    """Configure and build ``targets``; return the build folder."""
    folder = ROOT / "build" / name
    definitions = [
        f"-DBFKERNEL_SANITIZE={sanitizers}",
        "-DBFKERNEL_NATIVE_TESTS=ON",
        f"-DBFKERNEL_OUTPUT_DIR={folder / 'out'}",
    ]
    run(
        "cmake",
        "-S",
        ".",
        "-B",
        str(folder),
        "-G",
        "Ninja",
        f"-DPython3_EXECUTABLE={sys.executable}",
        *definitions,
    )
    run("cmake", "--build", str(folder), "--parallel", JOBS, "--target", *targets)
    return folder


def runtime(library: str) -> str:
    """Return the path of a sanitizer's runtime, for programs that were not built with it."""
    command = [os.environ.get("CXX", "g++"), f"-print-file-name={library}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Build and test with every set of sanitizers."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    # A worker gives nothing back: it ends with its client, at once, and so do the sessions of the fuzzer. The
    # interpreter of the PTX tests never frees all either.
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:handle_segv=0"
    os.environ["TSAN_OPTIONS"] = "atexit_sleep_ms=0:halt_on_error=1"
    for name, (sanitizers, targets, left_out) in BUILDS.items():
        folder = build(name, sanitizers, targets)
        without = ["--exclude-regex", left_out] if left_out else []
        options = ("--output-on-failure", "--timeout", "300", "--parallel", JOBS)
        run("ctest", "--test-dir", str(folder), *options, *without)
    softgpu = ROOT / "build" / "asan" / "out" / "libsoftgpu.so"
    # The sanitizer's dlopen stands between NVRTC and its own folder, so that it misses a part of itself.
    without_nvrtc = ["--deselect", "tests/native/ptx/test_numba.py::test_program[program_float16]"]
    run(
        *[sys.executable, "-m", "pytest", "-q", "tests/native/ptx", "-m", "not slow", *without_nvrtc],
        *["-n", JOBS, "--dist", "loadfile"],
        BFKERNEL_TEST_DRIVER=str(softgpu),
        LD_PRELOAD=f"{runtime('libasan.so')} {runtime('libubsan.so')}",
    )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"failed with exit code {failed.returncode}: {' '.join(map(str, failed.cmd))}")
