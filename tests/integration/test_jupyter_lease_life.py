# SPDX-License-Identifier: BSD-3-Clause
"""A lease lives as long as its kernel: no longer, whatever dies, and no shorter, whatever is slow."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import start_new_kernel

from tests.waiting import eventually

from .conftest import TTL_S

# The pool looks for expired leases a few times a TTL; a kernel needs a second to notice its parent's end. A
# pool that a busy machine has kept waiting gives every lease a new TTL.
WITHIN_TTL_S = TTL_S + 15


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def kernel_process(jupyter) -> psutil.Process:
    def kernels():
        return [child for child in psutil.Process(jupyter.process.pid).children() if is_kernel(child)]

    found: list[psutil.Process] = []
    eventually(lambda: found.extend(kernels()) or found, 10, "a kernel process")
    return found[0]


def write_kernelspec(env, name, argv, config):
    folder = Path(env["JUPYTER_DATA_DIR"]) / "kernels" / name
    folder.mkdir(parents=True)
    provisioner = {"provisioner_name": "bfkernel", "config": config}
    spec = {"argv": argv, "display_name": name, "language": "python"}
    spec["metadata"] = {"kernel_provisioner": provisioner}
    (folder / "kernel.json").write_text(json.dumps(spec))


@pytest.mark.shared_jupyter
def test_shutdown_frees_at_once(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1", "homework.ipynb")
    lease = pool.lease()
    assert lease["state"] == "granted"
    assert lease["fraction"] == 0.1
    assert lease["holder"]["kind"] == "kernel"
    assert lease["holder"]["name"].endswith("homework.ipynb")
    jupyter.shut_down(kernel)
    assert pool.leases() == []


@pytest.mark.shared_jupyter
def test_restart_keeps_the_lease(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    lease = pool.lease()["id"]
    first = kernel_process(jupyter)
    jupyter.restart(kernel)
    assert kernel_process(jupyter) != first
    assert pool.lease()["id"] == lease
    with jupyter.client(kernel) as cells:
        assert "GPU 0.1" in cells.run("%gpu")
    time.sleep(2 * TTL_S)
    assert pool.lease()["id"] == lease


@pytest.mark.shared_jupyter
def test_an_idle_kernel_keeps_its_lease(pool, jupyter):
    jupyter.start_kernel("gpu-0.1")
    lease = pool.lease()["id"]
    time.sleep(2 * TTL_S)
    assert pool.lease()["id"] == lease


def test_a_killed_kernel_that_jupyter_restarts_keeps_its_lease(pool, make_jupyter):
    jupyter = make_jupyter("--AsyncIOLoopKernelRestarter.time_to_dead=0.3")
    jupyter.start_kernel("gpu-0.1")
    lease = pool.lease()["id"]
    first = kernel_process(jupyter)
    first.kill()
    eventually(lambda: kernel_process(jupyter) != first, 10, "the kernel's restart")
    time.sleep(2 * TTL_S)
    assert pool.lease()["id"] == lease


def test_a_killed_kernel_that_nobody_restarts_loses_its_lease(pool, env, monkeypatch):
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    manager, client = start_new_kernel(kernel_name="gpu-0.1")
    try:
        assert pool.states() == ["granted"]
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        pool.wait_until_free(WITHIN_TTL_S)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_end_of_the_jupyter_server(pool, jupyter, signum):
    # JupyterHub stops servers with SIGINT; without a terminal jupyter_server then leaves without cleaning up.
    jupyter.start_kernel("gpu-0.1")
    assert pool.states() == ["granted"]
    jupyter.process.send_signal(signum)
    pool.wait_until_free(WITHIN_TTL_S)
    jupyter.process.wait(10)


def test_a_launch_that_fails_frees_at_once_and_leaves_a_server_that_can_end(pool, jupyter, env):
    write_kernelspec(env, "missing", ["/nonexistent/python", "{connection_file}"], {"fraction": 0.1})
    jupyter.start_kernel("gpu-0.1")
    response = jupyter.post_session("missing", "b.ipynb")
    assert response.status_code == 500
    assert len(pool.leases()) == 1
    # https://github.com/jupyter/jupyter_client/issues/960
    jupyter.process.terminate()
    assert jupyter.process.wait(10) == 0
    assert pool.leases() == []


def test_a_kernel_that_dies_five_times_loses_its_lease(pool, make_jupyter, env):
    write_kernelspec(env, "dying", [sys.executable, "-c", "raise SystemExit(1)"], {"fraction": 0.1})
    jupyter = make_jupyter("--AsyncIOLoopKernelRestarter.time_to_dead=0.3")
    jupyter.start_kernel("dying")
    eventually(lambda: not jupyter.kernels(), 30, "the kernel's last death")
    pool.wait_until_free(WITHIN_TTL_S)
