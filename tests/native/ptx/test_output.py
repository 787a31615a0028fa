# SPDX-License-Identifier: BSD-3-Clause
"""What a kernel says: vprintf on the process' stdout, traps and assertions as errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .harness import CudaError, Driver, Result, kernel, run_script

PRINTF = ".extern .func (.param .b32 status) vprintf (.param .b64 format, .param .b64 arguments);\n"


def string(name: str, text: str) -> str:
    data = text.encode() + b"\0"
    return f".global .align 1 .b8 {name}[{len(data)}] = {{{', '.join(map(str, data))}}};\n"


CALL = """
    mov.u64 %l1, {format}; cvta.global.u64 %l2, %l1;
    {{
        .param .b64 a; st.param.b64 [a], %l2;
        .param .b64 b; st.param.b64 [b], {arguments};
        .param .b32 s;
        call.uni (s), vprintf, (a, b);
        ld.param.b32 %r31, [s];
    }}
"""


def printed(library: Path, ptx: str, grid: int = 1, block: int = 1) -> str:
    done = run_script(library, f"driver.run({ptx!r}, {grid}, {block}, [driver.zeros(4, np.uint32)])")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_printf_conversions(driver_library: Path) -> None:
    """Arguments lie in a local buffer, each aligned to its size; %s takes a device pointer."""
    text = "%d|%5u|%-6x|%#o|%c|%s|%8.3f|%e|%g|%lld|%llx|%+d|%05d|%%|%p|%.2s|%a\n"
    scope = PRINTF + string("format", text) + string("word", "hello")
    body = """
        .local .align 8 .b8 stack[128];
        mov.u64 %l0, stack; cvta.local.u64 %l5, %l0;
        mov.u32 %r0, -42;         st.local.u32 [%l0], %r0;
        mov.u32 %r0, 77;          st.local.u32 [%l0+4], %r0;
        mov.u32 %r0, 255;         st.local.u32 [%l0+8], %r0;
        mov.u32 %r0, 8;           st.local.u32 [%l0+12], %r0;
        mov.u32 %r0, 65;          st.local.u32 [%l0+16], %r0;
        mov.u64 %l3, word; cvta.global.u64 %l4, %l3;
        st.local.u64 [%l0+24], %l4;
        mov.f64 %d0, 0d400921FB54442D18;
        st.local.f64 [%l0+32], %d0;
        st.local.f64 [%l0+40], %d0;
        st.local.f64 [%l0+48], %d0;
        mov.u64 %l6, -1234567890123;
        st.local.u64 [%l0+56], %l6;
        mov.u64 %l6, 0x123456789abcdef;
        st.local.u64 [%l0+64], %l6;
        mov.u32 %r0, 5;           st.local.u32 [%l0+72], %r0;
                                  st.local.u32 [%l0+76], %r0;
        mov.u64 %l6, 4096;        st.local.u64 [%l0+80], %l6;
                                  st.local.u64 [%l0+88], %l4;
        mov.f64 %d1, 0d3FF8000000000000; st.local.f64 [%l0+96], %d1;
    """ + CALL.format(format="format", arguments="%l5")  # fmt: skip
    want = "-42|   77|ff    |010|A|hello|   3.142|3.141593e+00|3.14159|-1234567890123|"
    assert (
        printed(driver_library, kernel(body, scope=scope))
        == want + "123456789abcdef|+5|00005|%|0x1000|he|0x1.8p+0\n"
    )


def test_printf_without_arguments(driver_library: Path) -> None:
    ptx = kernel("mov.u64 %l9, 0;" + CALL.format(format="format", arguments="%l9"),
                 scope=PRINTF + string("format", "plain text, 100%%\n"))  # fmt: skip
    assert printed(driver_library, ptx) == "plain text, 100%\n"


def test_printf_of_every_thread(driver_library: Path) -> None:
    """Each thread of each block writes its line once; one thread's lines keep their order."""
    body = """
        .local .align 8 .b8 stack[16];
        mov.u64 %l0, stack; cvta.local.u64 %l5, %l0;
        mov.u32 %r0, %ctaid.x; mov.u32 %r1, %tid.x;
        st.local.v2.u32 [%l0], {%r0, %r1};
        mov.u32 %r2, 0;
    $again:
        st.local.u32 [%l0+8], %r2;
    """ + CALL.format(format="format", arguments="%l5") + """
        add.u32 %r2, %r2, 1;
        setp.lt.u32 %p0, %r2, 2;
        @%p0 bra $again;
    """  # fmt: skip
    lines = printed(
        driver_library, kernel(body, scope=PRINTF + string("format", "%d %d %d\n")), 3, 40
    ).splitlines()
    assert sorted(lines) == sorted(f"{b} {t} {k}" for b in range(3) for t in range(40) for k in range(2))
    for b in range(3):
        for t in range(40):
            assert lines.index(f"{b} {t} 0") < lines.index(f"{b} {t} 1")


def test_printf_comes_with_the_synchronisation(driver_library: Path) -> None:
    """What a kernel printed is on stdout when cuCtxSynchronize has returned."""
    ptx = kernel("mov.u64 %l9, 0;" + CALL.format(format="format", arguments="%l9"),
                 scope=PRINTF + string("format", "device\n"))  # fmt: skip
    script = f"""
        import os
        os.write(1, b"before\\n")
        driver.run({ptx!r}, 1, 1, [driver.zeros(4, np.uint32)])
        os.write(1, b"after\\n")
    """
    assert run_script(driver_library, script).stdout.split() == ["before", "device", "after"]


@pytest.mark.parametrize("instruction", ["trap;", "brkpt;"])
def test_trap(gpu: Driver, instruction: str) -> None:
    with gpu.throwaway_context():
        out = gpu.zeros(4, np.uint32)
        with pytest.raises(CudaError) as error:
            gpu.run(kernel(instruction), 1, 32, [out])
    # brkpt without a debugger: a real driver may let it pass as a trap of its own kind
    assert error.value.code in (Result.LAUNCH_FAILED, Result.ILLEGAL_INSTRUCTION)


def test_trap_of_one_thread_only(gpu: Driver) -> None:
    with gpu.throwaway_context():
        out = gpu.zeros(4, np.uint32)
        body = "mov.u32 %r0, %tid.x; setp.eq.u32 %p0, %r0, 77; @%p0 trap;"
        gpu.run(kernel(body), 1, 64, [out])
        with pytest.raises(CudaError) as error:
            gpu.run(kernel(body), 4, 128, [out])
        assert error.value.code in (Result.LAUNCH_FAILED, Result.ILLEGAL_INSTRUCTION)


def test_failed_assertion(driver_library: Path) -> None:
    """__assertfail: CUDA_ERROR_ASSERT, and one line of output that names the place."""
    scope = """
    .extern .func __assertfail (.param .b64 message, .param .b64 file, .param .b32 line, .param .b64 function,
                                .param .b64 size);
    """ + string("message", "x > 0") + string("file", "kernel.cu") + string("function", "check")  # fmt: skip
    body = """
        mov.u64 %l1, message; cvta.global.u64 %l1, %l1;
        mov.u64 %l2, file; cvta.global.u64 %l2, %l2;
        mov.u64 %l3, function; cvta.global.u64 %l3, %l3;
        {
            .param .b64 a; st.param.b64 [a], %l1;
            .param .b64 b; st.param.b64 [b], %l2;
            .param .b32 c; st.param.b32 [c], %r1;
            .param .b64 d; st.param.b64 [d], %l3;
            .param .b64 e; st.param.b64 [e], %l4;
            call.uni __assertfail, (a, b, c, d, e);
        }
    """
    ptx = kernel("mov.u32 %r1, 12; mov.u64 %l4, 1;" + body, scope=scope)
    script = f"""
        try:
            driver.run({ptx!r}, 1, 1, [driver.zeros(4, np.uint32)])
        except CudaError as error:
            print(error.code)
    """
    done = run_script(driver_library, script)
    assert done.stdout.split()[-1:] == [str(Result.ASSERT)]
    said = done.stdout + done.stderr
    for word in ("kernel.cu", "12", "check", "x > 0"):
        assert word in said
