# SPDX-License-Identifier: BSD-3-Clause
"""What libcuda.so.1 exports, and what it answers without a lease."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bfkernel.remote.cuda.find_header import cuda_include
from bfkernel.remote.cuda.header import Headers
from bfkernel.remote.cuda.specification import load

from .conftest import Run

OPEN = "import ctypes, json; cuda = ctypes.CDLL('libcuda.so.1')\n"


@pytest.fixture(scope="module")
def headers() -> Headers:
    try:
        return Headers(cuda_include())
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_every_name_of_the_headers_is_exported_and_nothing_else(shim_dir: Path, headers: Headers) -> None:
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(shim_dir / "libcuda.so.1")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    exported = {line.split()[2] for line in listing.splitlines()}
    wanted = headers.functions.keys() | set(headers.interop_names)
    more = {"cuProfilerInitialize", "cuProfilerStart", "cuProfilerStop", "bfkernel_monitor"}
    assert exported - more == wanted


def test_the_unversioned_library_is_the_same_instance(unleased: Run) -> None:
    code = """
import ctypes
address = lambda name: ctypes.cast(ctypes.CDLL(name).cuInit, ctypes.c_void_p).value
assert address("libcuda.so") == address("libcuda.so.1")
"""
    assert unleased(code).returncode == 0


def test_cu_get_proc_address_agrees_with_the_exports(unleased: Run, headers: Headers) -> None:
    entries = [
        (e.name, e.version, e.per_thread, e.symbol) for e in load(headers).proc_addresses if not e.per_thread
    ]
    per_thread = [(e.name, e.version, e.symbol) for e in load(headers).proc_addresses if e.per_thread]
    code = (
        OPEN
        + f"""
def ask(name, version, flags):
    found, status = ctypes.c_void_p(), ctypes.c_int(-1)
    more = version, ctypes.c_uint64(flags), ctypes.byref(status)
    result = cuda.cuGetProcAddress_v2(name.encode(), ctypes.byref(found), *more)
    return result, found.value, status.value
address = lambda symbol: ctypes.cast(getattr(cuda, symbol), ctypes.c_void_p).value
for name, version, _, symbol in {entries!r}:
    assert ask(name, version, 0) == (0, address(symbol), 0), (name, version)
for name, version, symbol in {per_thread!r}:
    assert ask(name, version, 2) == (0, address(symbol), 0), (name, version)
assert ask("cuNothing", 13000, 0) == (500, None, 1)
assert ask("", 0, 0) == (500, None, 1)
assert ask("cuMemAlloc", 1000, 0) == (500, None, 2)
assert ask("cuGLInit", 13000, 0) == (500, None, 1)
"""
    )
    result = unleased(code)
    assert result.returncode == 0, result.stderr


def test_without_a_lease_there_is_no_device_and_one_line_says_why(unleased: Run) -> None:
    result = unleased(OPEN + "print(cuda.cuInit(0), cuda.cuInit(0))")
    assert result.stdout.split() == ["100", "100"]
    assert result.stderr.count("[bfkernel]") == 1
    assert "bfkernel run" in result.stderr


def test_calls_before_cu_init_are_refused(unleased: Run) -> None:
    code = "print(cuda.cuDeviceGetCount(None), cuda.cuCtxSynchronize(), cuda.cuMemAlloc_v2(None, 1))"
    assert unleased(OPEN + code).stdout.split() == ["3", "3", "3"]


def test_what_is_not_forwarded_says_so_once(unleased: Run) -> None:
    result = unleased(OPEN + "print(cuda.cuGLInit(), cuda.cuGLInit())")
    assert result.stdout.split() == ["801", "801"]
    assert result.stderr.count("cuGLInit") == 1


def test_errors_have_names_and_sentences(unleased: Run) -> None:
    code = (
        OPEN
        + """
text = ctypes.c_char_p()
out = [cuda.cuGetErrorName(2, ctypes.byref(text)), text.value.decode()]
out += [cuda.cuGetErrorString(2, ctypes.byref(text)), text.value.decode()]
out += [cuda.cuGetErrorName(12345, ctypes.byref(text)), text.value]
print(json.dumps(out))
"""
    )
    out = json.loads(unleased(code).stdout)
    assert out[:3] == [0, "CUDA_ERROR_OUT_OF_MEMORY", 0]
    assert "memory" in out[3]
    assert out[4:] == [1, None]


def lease_file(tmp_path: Path, **fields: object) -> str:
    path = tmp_path / "lease.json"
    path.write_text(
        json.dumps({"version": 1, "lease": "x", "size": "GPU 0.02", "gpus": 2, "pid": 0, **fields})
    )
    return str(path)


def test_cu_init_and_the_count_do_not_wait_in_the_queue(unleased: Run, tmp_path: Path) -> None:
    file = lease_file(tmp_path, state="queued", message="position 3 of 7 in the queue")
    code = OPEN + "n = ctypes.c_int(); print(cuda.cuInit(0), cuda.cuDeviceGetCount(ctypes.byref(n)), n.value)"
    assert unleased(code, BFKERNEL_LEASE_FILE=file).stdout.split() == ["0", "0", "2"]


def test_an_interrupt_ends_the_wait_and_the_programs_handler_runs(unleased: Run, tmp_path: Path) -> None:
    file = lease_file(tmp_path, state="queued", message="position 3 of 7 in the queue, about 2 min")
    code = (
        OPEN
        + """
import os, signal, threading
signal.signal(signal.SIGINT, lambda *_: print("handled"))
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
print(cuda.cuInit(0), cuda.cuDriverGetVersion(ctypes.byref(ctypes.c_int())))
"""
    )
    result = unleased(code, BFKERNEL_LEASE_FILE=file)
    assert sorted(result.stdout.split()) == ["0", "802", "handled"]
    assert "[bfkernel] GPU 0.02: position 3 of 7 in the queue, about 2 min\n" in result.stderr


def test_a_refusal_is_told_once(unleased: Run, tmp_path: Path) -> None:
    file = lease_file(tmp_path, state="refused", message="over your quota")
    result = unleased(OPEN + "print(cuda.cuInit(0), cuda.cuInit(0))", BFKERNEL_LEASE_FILE=file)
    assert result.stdout.split() == ["100", "100"]
    assert result.stderr.count("over your quota") == 1


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("1", 1), ("1,0", 2), ("0,7,1", 1), ("-1", 0), ("1,1", 0), ("0,,1", 1)]
)
def test_cuda_visible_devices(unleased: Run, tmp_path: Path, visible: str, count: int) -> None:
    file = lease_file(tmp_path, state="queued", message="")
    code = (
        OPEN
        + "n = ctypes.c_int(); r = cuda.cuInit(0); cuda.cuDeviceGetCount(ctypes.byref(n)); print(r, n.value)"
    )
    result = unleased(code, BFKERNEL_LEASE_FILE=file, CUDA_VISIBLE_DEVICES=visible)
    assert result.stdout.split() == ["0" if count else "100", str(count)]
