# SPDX-License-Identifier: BSD-3-Clause
"""What starts kernels without a Jupyter server: nbclient, nbconvert, jupyter console."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .conftest import TTL_S


@pytest.fixture
def _environment(env, monkeypatch):
    for key, value in env.items():
        monkeypatch.setenv(key, value)


def notebook(*sources: str):
    content = nbformat.v4.new_notebook()
    content.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return content


@pytest.mark.usefixtures("_environment")
def test_nbclient(pool):
    content = notebook("%gpu")
    NotebookClient(content, kernel_name="gpu-0.1").execute()
    assert "GPU 0.1" in content.cells[0].outputs[0].text
    assert pool.leases() == []


@pytest.mark.usefixtures("_environment")
def test_nbclient_with_a_cell_that_fails_and_a_kernel_that_dies(pool):
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook("1 / 0"), kernel_name="gpu-0.1").execute()
    assert pool.leases() == []
    with pytest.raises(RuntimeError):
        NotebookClient(notebook("import os; os._exit(1)"), kernel_name="gpu-0.1").execute()
    assert pool.leases() == []


def test_nbconvert(pool, env, tmp_path):
    path = tmp_path / "in.ipynb"
    nbformat.write(notebook("%gpu"), path)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(path)]
    options = ["--ExecutePreprocessor.kernel_name=gpu-0.1", "--output", "out"]
    subprocess.run([*command, *options], env=env, check=True, timeout=100, stdin=subprocess.DEVNULL)
    assert "GPU 0.1" in (tmp_path / "out.ipynb").read_text()
    assert pool.leases() == []


def test_console(pool, env):
    command = [sys.executable, "-m", "jupyter_console", "--kernel=gpu-0.1", "--simple-prompt"]
    console = pexpect.spawn(
        command[0], command[1:], env={**env, "TERM": "dumb"}, encoding="utf-8", timeout=60
    )
    try:
        console.expect(r"In \[1\]: ")
        assert pool.states() == ["granted"]
        console.sendline("%gpu")
        console.expect("GPU 0.1: ")
        console.sendline("exit()")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)
    # It tells its kernel alone to end, not the provisioner: the lease ends for want of proof.
    pool.wait_until_free(TTL_S + 15)
