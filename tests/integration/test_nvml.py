# SPDX-License-Identifier: BSD-3-Clause
"""NVML as programs meet it: it shows the lease, and agrees with CUDA. nvidia-ml-py is what asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest

from bfkernel.remote.client import routed_environment
from tests.waiting import eventually

from .conftest import Pool, private_environment
from .jupyter_processes import BFKERNEL, Processes
from .leased_program import PROGRAMS, LeasedProgram, worker_processes

MIB = 1 << 20
Shared = tuple[Processes, dict[str, str], Pool]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A pool with two emulated GPUs, for all tests of this file."""
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "logs").mkdir()
    processes = Processes(folder / "logs")
    env = private_environment(folder)
    pool = Pool(processes, env, folder / "pool", "--softgpus=2", "--softgpu-memory=4GiB")
    env["BFKERNEL_POOL_URL"] = pool.url
    yield processes, env, pool
    processes.end()
    print(processes.logs())


@pytest.fixture(scope="module")
def seen(shared: Shared) -> dict[str, Any]:
    """What one program saw on a lease of a tenth of both GPUs."""
    processes, env, _ = shared
    return LeasedProgram(processes, env, "lease_report", share=("-n", "2", "-p", "0.1")).seen()


def test_nvml_and_cuda_tell_the_same_of_each_gpu(seen):
    assert seen["count"] == 2
    for nvml, cuda in seen["devices"]:
        assert {**nvml, "bus": nvml["bus"].lower()} == {**cuda, "bus": cuda["bus"].lower()}
    assert seen["cuda_version"][0] == seen["cuda_version"][1]


def test_memory_agrees_with_cuda_to_the_byte(seen):
    for when in ("context", "allocated", "two"):
        assert seen[when]["nvml"] == seen[when]["newer"] == seen[when]["cuda"], when
        assert seen[when]["used"] == seen[when]["cuda"][1] - seen[when]["cuda"][0]
    assert seen["two"]["used"] >= seen["allocated"]["used"] + 7 * MIB


def test_it_lists_the_processes_of_the_lease_with_what_they_hold(seen):
    own, other = str(seen["pid"]), str(seen["other_pid"])
    assert seen["context"]["processes"] == {own: 0}, "a context on an emulated GPU costs nothing"
    assert seen["allocated"]["processes"] == {own: seen["allocated"]["used"]}
    assert seen["two"]["processes"].keys() == {own, other}
    assert sum(seen["two"]["processes"].values()) == seen["two"]["used"]
    assert seen["second_gpu_processes"] == 0


def test_looking_makes_no_context_and_leaves_forking_safe(seen):
    assert seen["idle"] == [0, 0]
    assert seen["child_before_cuda"] == MIB, "the child could use CUDA"
    assert seen["child_after_cuda"] > 0, "the child of a process that uses CUDA can still look"


def test_the_gpu_is_on_no_fabric(seen):
    assert seen["fabric"] == [pynvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED] * 3


def test_what_may_not_or_cannot_be_done_is_an_error_of_nvml(seen):
    assert seen["before_init"] == seen["after_shutdown"] == "NVMLError_Uninitialized"
    assert seen["errors"] == {
        "clocks": "NVMLError_NoPermission",
        "persistence": "NVMLError_NoPermission",
        "utilization": "NVMLError_NotSupported",
        "power": "NVMLError_NotSupported",
        "no_such_gpu": "NVMLError_InvalidArgument",
        "no_such_uuid": "NVMLError_NotFound",
    }


def test_a_monitor_does_not_make_an_idle_lease_look_busy(shared):
    processes, env, pool = shared
    program = LeasedProgram(processes, env, "monitor")
    program.expect("looked")
    eventually(lambda: worker_processes(pool.process), 10, "a worker for the monitor")
    time.sleep(1.0)  # longer than the agent takes to look at a ledger and report it
    assert pool.lease()["last_call_at"] is None
    assert program.finish() == 0


def test_while_the_lease_is_queued_nvml_says_at_once_that_there_is_no_gpu(shared, tmp_path):
    processes, env, _ = shared
    lease = tmp_path / "lease.json"
    known = {"version": 1, "state": "queued", "size": "GPU 0.02", "gpus": 1}
    lease.write_text(json.dumps({**known, "message": "position 3 of 7 in the queue"}))
    code = (
        "import pynvml\ntry: pynvml.nvmlInit()\nexcept pynvml.NVMLError as error: print(type(error).__name__)"
    )
    process = processes.start([sys.executable, "-c", code], routed_environment(lease, env))
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert process.stdout.read() == "NVMLError_DriverNotLoaded\n"
    assert "[bfkernel] GPU 0.02: position 3 of 7 in the queue" in processes.logs()


NO_REAL_ONE = pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has nvidia-smi")


def run_leased(shared: Shared, *command: str) -> str:
    """Return what a command prints on a lease of 128 MiB."""
    _, env, _ = shared
    line = [*BFKERNEL, "run", "-m", "128", "--", *command]
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@NO_REAL_ONE
def test_nvidia_smi_says_what_it_is_and_shows_the_share(shared):
    first, *table = run_leased(shared, "nvidia-smi").splitlines()
    assert first.startswith("This machine has no nvidia-smi: bfkernel answers in its place")
    text = "\n".join(table)
    assert "GPU 128m of Emulated GPU (softgpu)" in text
    assert "0MiB / 128MiB" in text
    assert len({len(line) for line in table if line[:1] in "+|" and line}) == 1, "no line sticks out"


@NO_REAL_ONE
def test_scripts_get_from_nvidia_smi_what_they_ask_for_and_nothing_else(shared):
    fields = "--query-gpu=index,memory.used,memory.total,utilization.gpu"
    assert run_leased(shared, "nvidia-smi", fields, "--format=csv,noheader,nounits") == "0, 0, 128, [N/A]\n"
    assert run_leased(shared, "nvidia-smi", fields, "--format=csv").splitlines() == [
        "index, memory.used [MiB], memory.total [MiB], utilization.gpu [%]",
        "0, 0 MiB, 128 MiB, [N/A]",
    ]
    assert run_leased(shared, "nvidia-smi", "-L").startswith("GPU 0: Emulated GPU (softgpu) (UUID: GPU-")


def test_smi_lists_the_leases_processes_with_what_they_hold(shared):
    code = (
        "import subprocess, sys; from device import *; open_device(); held = call('cuMemAlloc', 3 << 20);"
        "subprocess.run([sys.executable, '-m', 'bfkernel.cli', 'smi', *sys.argv[1:]], check=True)"
    )
    run = ("env", f"PYTHONPATH={PROGRAMS}", sys.executable, "-c", code)
    (gpu,) = json.loads(run_leased(shared, *run, "--json"))["gpus"]
    assert gpu["used_bytes"] == gpu["processes"][0]["used_bytes"] >= 3 * MIB
    assert Path(gpu["processes"][0]["name"]).name.startswith("python")
    query = ("--query-compute-apps=process_name,used_memory", "--format=csv,noheader,nounits")
    name, used = run_leased(shared, *run, *query).strip().split(", ")
    assert Path(name).name.startswith("python")
    assert int(used) >= 3


@NO_REAL_ONE
def test_nvidia_smi_answers_in_a_cell(pool, jupyter):
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        printed = cells.run("!nvidia-smi", limit_s=60)
    assert "GPU 0.1 of Emulated GPU (softgpu)" in printed
    assert "0MiB / 409MiB" in printed


# The server's NVML, as far as it matters here: each figure is another number.
SERVER_NVML = r"""
#include <stdio.h>
#include <string.h>
#define ONE(name, value) int name(void* device, unsigned* out) { return *out = value, 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  *device = &nvmlInit_v2;
  return strncmp(uuid, "GPU-", 4) != 0;
}
int nvmlSystemGetDriverVersion(char* out, unsigned size) { snprintf(out, size, "580.12.34"); return 0; }
int nvmlDeviceGetUtilizationRates(void* device, unsigned* out) { out[0] = 41; out[1] = 17; return 0; }
int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* out) { return *out = 55, sensor; }
int nvmlDeviceGetTemperatureThreshold(void* device, int which, unsigned* out) { return *out = 90 + which, 0; }
int nvmlDeviceGetClockInfo(void* device, int domain, unsigned* out) { return *out = 1000 + domain, 0; }
int nvmlDeviceGetMaxClockInfo(void* device, int domain, unsigned* out) { return *out = 2000 + domain, 0; }
int nvmlDeviceGetEccMode(void* device, unsigned* now, unsigned* later) { return *now = 1, *later = 0, 0; }
ONE(nvmlDeviceGetPowerUsage, 123456)
ONE(nvmlDeviceGetEnforcedPowerLimit, 700000)
ONE(nvmlDeviceGetPerformanceState, 2)
ONE(nvmlDeviceGetCurrPcieLinkGeneration, 5)
ONE(nvmlDeviceGetCurrPcieLinkWidth, 16)
int nvmlDeviceGetFanSpeed(void* device, unsigned* out) { return 3; }
"""
READ_FIGURES = """
import json, pynvml as n
n.nvmlInit(); d = n.nvmlDeviceGetHandleByIndex(0); rates = n.nvmlDeviceGetUtilizationRates(d)
try: fan = n.nvmlDeviceGetFanSpeed(d)
except n.NVMLError_NotSupported: fan = None
heat = [n.nvmlDeviceGetTemperature(d, 0), n.nvmlDeviceGetTemperatureThreshold(d, 1)]
power = [n.nvmlDeviceGetPowerUsage(d), n.nvmlDeviceGetEnforcedPowerLimit(d)]
clocks = [[f(d, k) for k in range(4)] for f in (n.nvmlDeviceGetClockInfo, n.nvmlDeviceGetMaxClockInfo)]
lanes = n.nvmlDeviceGetCurrPcieLinkWidth(d)
other = [n.nvmlDeviceGetPerformanceState(d), n.nvmlDeviceGetEccMode(d)[0], lanes]
print(json.dumps([n.nvmlSystemGetDriverVersion(), rates.gpu, rates.memory, heat, power, clocks, other, fan]))
"""


def test_what_the_servers_nvml_tells_of_the_card_comes_through(processes, env, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the server's NVML")
    (tmp_path / "nvml.c").write_text(SERVER_NVML)
    library = tmp_path / "server" / "libnvidia-ml.so.1"
    library.parent.mkdir()
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, tmp_path / "nvml.c"], check=True)
    server = {**env, "LD_LIBRARY_PATH": str(library.parent)}
    pool = Pool(processes, server, tmp_path / "pool", "--softgpus=1", "--softgpu-memory=4GiB")
    shared = processes, {**env, "BFKERNEL_POOL_URL": pool.url}, pool
    seen = json.loads(run_leased(shared, sys.executable, "-c", READ_FIGURES))
    clocks = [[1000, 1001, 1002, 1003], [2000, 2001, 2002, 2003]]
    assert seen == ["580.12.34", 41, 17, [55, 91], [123456, 700000], clocks, [2, 1, 16], None]
    query = "--query-gpu=utilization.gpu,temperature.gpu,power.draw,clocks.sm,pstate,driver_version,fan.speed"
    line = run_leased(shared, *BFKERNEL, "smi", query, "--format=csv,noheader")
    assert line == "41 %, 55, 123.46 W, 1001 MHz, P2, 580.12.34, [N/A]\n"
