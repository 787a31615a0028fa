# SPDX-License-Identifier: BSD-3-Clause
"""Over quota: the sentence of the start dialog, and a server that stays healthy."""

from __future__ import annotations

import re

QUOTAS = 'c.PoolOptions.quotas = {"default": {"gpus": 0.15}}\n'


def test_over_quota_the_dialog_says_the_limit_what_is_in_use_and_what_to_do(
    make_pool, make_jupyter, tmp_path
):
    config = tmp_path / "bfkernel_config.py"
    config.write_text(QUOTAS)
    pool = make_pool("--softgpus=1", "--softgpu-memory=4GiB", f"--config={config}")
    jupyter = make_jupyter()
    kernel = jupyter.start_kernel("gpu-0.1", "homework.ipynb")

    refused = jupyter.post_session("gpu-0.1", "project.ipynb")
    assert refused.status_code == 500
    message = refused.json()["message"]
    sentence = message.replace("\n", " ")
    assert re.fullmatch(r"Your quota is 0\.15 GPUs at once, .*homework\.ipynb.*\.", sentence), message
    assert max(map(len, message.splitlines())) <= 80, "JupyterLab's dialog cuts longer lines off"
    assert "hut" in message or "elease" in message, "it says what to do"
    assert pool.states() == ["granted"]

    assert [found["id"] for found in jupyter.kernels()] == [kernel]
    jupyter.shut_down(kernel)
    jupyter.start_kernel("gpu-0.1", "project.ipynb")
    jupyter.process.terminate()
    assert jupyter.process.wait(20) == 0, "a refused start must not keep the server from ending"
