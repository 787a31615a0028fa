# SPDX-License-Identifier: BSD-3-Clause
"""Traces of driver calls: reading, writing, and making one of a program's log."""

from __future__ import annotations

import pytest

from benchmarks.remoting.recording.__main__ import recorded
from benchmarks.remoting.trace import TRACE, Trace

LOG = """\
step 0
[bfkernel] cuLaunchKernel(0xa, 1, 1, 1, 32, 1, 1, 0, (nil), 0x7f, (nil)) = 0  0.4 us
step 1
[bfkernel] cuCtxGetDevice_v2(0x7f, (nil)) = 0  0.1 us
[bfkernel] cuMemcpyHtoDAsync_v2(0x20, 0x7f, 512, (nil)) = 0  9.5 us
[bfkernel] cuKernelSetAttribute(8, 65536, 0xb, 0) = 0  44.1 us
[bfkernel] cuLaunchKernelEx(0x7f, 0xb, 0x7f, (nil)) = 0  0.4 us
[bfkernel] cuEventRecord(0xe, (nil)) = 0  0.2 us
[bfkernel] cuStreamWaitEvent(0x5, 0xe, 0) = 0  0.1 us
[bfkernel] cuLaunchKernel(0xa, 1, 1, 1, 32, 1, 1, 0, 0x5, 0x7f, (nil)) = 0  0.4 us
[bfkernel] cuStreamSynchronize((nil)) = 0  25.0 us
step end
[bfkernel] cuStreamSynchronize((nil)) = 0  25.0 us
"""


def test_a_trace_is_written_as_it_is_read() -> None:
    trace = Trace.parse(TRACE.read_text())
    assert Trace.parse(str(trace)) == trace


def test_the_recorded_step_is_a_training_step() -> None:
    counts = Trace.parse(TRACE.read_text()).counts()
    assert counts["launch"] > 500
    assert (counts["to_host"], counts["synchronise"]) == (1, 1)


def test_calls_can_be_left_out() -> None:
    trace = Trace.parse("kernel 0 8 4\nlaunch 0 0\nattribute 0 8 1024  # shared memory\nsynchronise 0\n")
    assert str(trace.without("attribute")) == "kernel 0 8 4\nlaunch 0 0\nsynchronise 0\n"


@pytest.mark.parametrize("line", ["launch 0", "jump 1 2", "memset many 0", "kernel 5 8"])
def test_a_line_that_is_no_call_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="no call"):
        Trace.parse(line)


def test_the_last_step_of_a_log_becomes_a_trace() -> None:
    trace = recorded(LOG, [["8"], ["16", "4"], ["8"]])
    assert trace.kernels == [(16, 4), (8,)]
    assert trace.calls == [
        ("to_device", 512, 0),
        ("attribute", 0, 8, 65536),
        ("launch", 0, 0),
        ("record", 0, 0),
        ("wait", 0, 1),
        ("launch", 1, 1),
        ("synchronise", 0),
    ]
