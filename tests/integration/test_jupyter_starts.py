# SPDX-License-Identifier: BSD-3-Clause
"""A kernel never waits to start; what is refused is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .jupyter_harness import Jupyter

BUSY = ("--softgpus=1", "--softgpu-memory=4GiB")


def install(bfkernel, *options: str) -> None:
    result = bfkernel("kernelspec", "install", *options, "--user")
    assert result.returncode == 0, result.stderr


@pytest.mark.shared_jupyter
def test_in_a_full_pool_a_kernel_starts_without_its_share_and_computes(pool, jupyter):
    jupyter.start_kernel("gpu-1", "first.ipynb")
    kernel = jupyter.start_kernel("gpu-0.02", "second.ipynb")
    assert pool.states() == ["granted", "queued"]
    with jupyter.client(kernel) as cells:
        assert cells.run("print(6 * 7)") == "42\n"
        assert "position 1 of 1 in the queue" in cells.run("%gpu")
    jupyter.shut_down(kernel)
    assert pool.states() == ["granted"], "who leaves while waiting leaves the queue"


def test_a_refusal_is_the_sentence_of_the_start_dialog(pool, jupyter, bfkernel):
    install(bfkernel, "--size", "2000000m")
    response = jupyter.post_session("gpu-2000000m")
    assert response.status_code == 500
    message = response.json()["message"].replace("\n", " ")
    assert message.startswith("No GPU server of this pool can serve GPU 2000000m")
    assert message.count(".") == 1
    assert "Traceback" not in message
    assert pool.leases() == []
    jupyter.start_kernel("gpu-0.02")
    jupyter.process.terminate()
    assert jupyter.process.wait(10) == 0, "a refused start must not keep the server from ending"


def test_a_kernelspec_without_sense_is_said_in_a_sentence(pool, jupyter, env):
    for number, config in enumerate(({}, {"fraction": 0.1, "memory_mib": 5}, {"fraction": 7})):
        name = f"senseless{number}"
        folder = Path(env["JUPYTER_DATA_DIR"]) / "kernels" / name
        folder.mkdir(parents=True)
        metadata = {"kernel_provisioner": {"provisioner_name": "bfkernel", "config": config}}
        spec = {"argv": ["python"], "display_name": "?", "language": "python", "metadata": metadata}
        (folder / "kernel.json").write_text(json.dumps(spec))
        response = jupyter.post_session(name)
        assert response.status_code == 500
        assert "fraction" in response.json()["message"], config


def test_without_a_pool_the_kernel_starts_and_tells(make_jupyter, env):
    env["BFKERNEL_POOL_URL"] = "http://127.0.0.1:9"
    jupyter: Jupyter = make_jupyter()
    with jupyter.client(jupyter.start_kernel("gpu-0.02")) as cells:
        assert cells.run("print(6 * 7)") == "42\n"
        assert "the pool at http://127.0.0.1:9 does not answer, retrying" in cells.run("%gpu")


def test_a_kernel_without_the_magics_only_lacks_the_magics(pool, jupyter, env, bfkernel):
    install(bfkernel, "--size", "0.02", "--name", "bare")
    path = Path(env["JUPYTER_DATA_DIR"]) / "kernels" / "bare" / "kernel.json"
    path.write_text(path.read_text().replace("bfkernel.provisioner.magics", "no.such.module"))
    with jupyter.client(jupyter.start_kernel("bare")) as cells:
        assert cells.run("print(6 * 7)") == "42\n"


@pytest.mark.shared_jupyter
def test_gpu_shows_the_lease(pool, jupyter):
    with jupyter.client(jupyter.start_kernel("gpu-0.1")) as cells:
        shown = cells.run("%gpu")
    lease = pool.lease()
    assert "GPU 0.1" in shown
    assert lease["gpus"][0]["name"] in shown
    assert f"0 MiB of {lease['memory_mib']} MiB held, {lease['memory_mib']} MiB free" in shown
