# SPDX-License-Identifier: BSD-3-Clause
import os
import subprocess
import sys

import pytest
from IPython.testing.globalipapp import start_ipython

from bfkernel.provisioner import magics
from bfkernel.remote.client import LeaseFile


@pytest.fixture
def lease(tmp_path, monkeypatch):
    """Write the lease file that the environment names."""
    path = tmp_path / "lease.json"
    monkeypatch.setenv("BFKERNEL_LEASE_FILE", str(path))

    def write(**changes):
        fields = {"state": "granted", "size": "GPU 0.02", "gpus": 1, "message": "granted", "pid": os.getpid()}
        fields |= {"memory_mib": 655, "device": "Some card", "server": "box", "ttl_s": 60.0}
        LeaseFile(**{**fields, **changes}).write(path)

    return write


def test_without_a_lease(monkeypatch):
    monkeypatch.delenv("BFKERNEL_LEASE_FILE", raising=False)
    assert str(magics.status()) == magics.NO_LEASE


def test_before_the_first_cuda_call(lease):
    lease()
    status = magics.status()
    assert (status.total_bytes, status.held_bytes, status.free_bytes) == ((655 << 20,), (0,), (655 << 20,))
    assert str(status).splitlines() == [
        "GPU 0.02: Some card on box",
        "  0 MiB of 655 MiB held, 655 MiB free",
        "  kept while this kernel lives, and for at most 60 s after it",
    ]


def test_a_notice_is_shown(lease):
    lease(notice="GPU 0.02 has been idle for 30 min.")
    assert str(magics.status()).splitlines()[-1] == "  GPU 0.02 has been idle for 30 min."


def test_with_what_the_driver_says(lease, monkeypatch):
    lease(gpus=2)
    monkeypatch.setattr(magics, "device_memory", lambda count: [(10 << 20, 655 << 20), None][:count])
    assert magics.status().held_bytes == (10 << 20, 0)
    assert "GPU 0: 10 MiB of 655 MiB held, 645 MiB free" in str(magics.status())
    assert "GPU 1: 0 MiB of 655 MiB held, 655 MiB free" in str(magics.status())


@pytest.mark.parametrize("state", ["requesting", "queued", "ended"])
def test_while_it_waits_and_when_it_is_over(lease, state):
    lease(state=state, message="position 3 of 7 in the queue")
    assert str(magics.status()) == f"GPU 0.02: {state}, position 3 of 7 in the queue"


def test_when_the_file_is_gone_or_broken(tmp_path, monkeypatch):
    monkeypatch.setenv("BFKERNEL_LEASE_FILE", str(tmp_path / "lease.json"))
    assert "the lease was released" in str(magics.status())
    (tmp_path / "lease.json").write_text("{")
    assert "cannot be read" in str(magics.status())


def test_the_magic(lease, capsys):
    lease()
    shell = start_ipython() or __import__("IPython").get_ipython()
    shell.run_line_magic("load_ext", "bfkernel.provisioner.magics")
    capsys.readouterr()
    shell.run_line_magic("gpu", "")
    assert capsys.readouterr().out.startswith("GPU 0.02: Some card on box\n")


def test_it_loads_neither_the_provisioner_nor_a_driver():
    code = (
        "import sys, bfkernel.provisioner.magics as m; m.status();"
        "print([n for n in sys.modules if n.startswith(('httpx', 'jupyter_client', 'bfkernel.remote'))])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert output.stdout == "[]\n"
