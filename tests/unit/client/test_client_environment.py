# SPDX-License-Identifier: BSD-3-Clause
import pytest

from bfkernel.remote.client import routed_environment


@pytest.fixture
def shim_dir(tmp_path, monkeypatch):
    folder = tmp_path / "native" / "client"
    folder.mkdir(parents=True)
    (folder / "libcuda.so.1").touch()
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(folder.parent))
    return str(folder)


def test_the_shim_comes_first_and_once(tmp_path, shim_dir):
    lease = tmp_path / "lease.json"
    base = {"LD_LIBRARY_PATH": "/usr/lib/nvidia:/opt", "CUDA_VISIBLE_DEVICES": "1", "HOME": "/home/ada"}
    routed = routed_environment(lease, base)
    assert routed["LD_LIBRARY_PATH"] == f"{shim_dir}:/usr/lib/nvidia:/opt"
    assert routed["BFKERNEL_LEASE_FILE"] == str(lease)
    assert routed["CUDA_VISIBLE_DEVICES"] == "1"
    assert routed["HOME"] == "/home/ada"
    assert routed_environment(lease, routed) == routed
    assert "BFKERNEL_LEASE_FILE" not in base


def test_a_shim_that_was_not_built_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is missing: run"):
        routed_environment(tmp_path / "lease.json", {})
