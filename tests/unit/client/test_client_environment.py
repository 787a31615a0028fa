# SPDX-License-Identifier: BSD-3-Clause
import os
import sys
from pathlib import Path

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


def test_jax_finds_its_plugin_behind_the_programs_own_modules(tmp_path, shim_dir):
    lease = tmp_path / "lease.json"
    own, plugins = routed_environment(lease, {"PYTHONPATH": "/opt/modules"})["PYTHONPATH"].split(os.pathsep)
    assert own == "/opt/modules"
    assert [entry.name for entry in Path(plugins).iterdir()] == ["jax_plugins"], "it hides other modules"
    routed = routed_environment(lease, {})
    assert routed["PYTHONPATH"] == plugins
    assert routed_environment(lease, routed) == routed


def test_a_shim_that_was_not_built_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is missing: run"):
        routed_environment(tmp_path / "lease.json", {})


def executable(folder, name):
    folder.mkdir(parents=True)
    (folder / name).touch(mode=0o755)
    return str(folder)


def test_nvidia_smi_answers_where_the_machine_has_none(tmp_path, shim_dir):
    stand_in = executable(tmp_path / "native" / "stand-in", "nvidia-smi")
    base = {"PATH": str(tmp_path / "empty")}
    routed = routed_environment(tmp_path / "lease.json", base)
    assert routed["PATH"] == f"{tmp_path / 'empty'}:{stand_in}"
    assert routed["BFKERNEL_PYTHON"] == sys.executable
    assert routed_environment(tmp_path / "lease.json", routed) == routed
    assert routed_environment(tmp_path / "lease.json", {})["PATH"] == f"{os.defpath}:{stand_in}"


def test_an_nvidia_smi_of_the_machine_is_never_hidden(tmp_path, shim_dir):
    executable(tmp_path / "native" / "stand-in", "nvidia-smi")
    real = executable(tmp_path / "bin", "nvidia-smi")
    routed = routed_environment(tmp_path / "lease.json", {"PATH": real})
    assert routed["PATH"] == real
    assert "BFKERNEL_PYTHON" not in routed
