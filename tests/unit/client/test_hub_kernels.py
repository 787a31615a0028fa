# SPDX-License-Identifier: BSD-3-Clause
"""Kernelspecs made of the sizes that a Hub names."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from bfkernel.provisioner.hub_kernels import SIZES_VARIABLE, SizedKernelSpecManager
from bfkernel.provisioner.kernelspec import install_kernelspec, kernel_json
from bfkernel.remote.client import Size


@pytest.fixture
def manager(monkeypatch, tmp_path):
    """Make a manager with sizes, beside a kernelspec of ours that is installed."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "none"))
    install_kernelspec(Size.parse("0.5"), user=True)

    def make(sizes):
        if sizes is None:
            monkeypatch.delenv(SIZES_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(SIZES_VARIABLE, sizes if isinstance(sizes, str) else quote(json.dumps(sizes)))
        return SizedKernelSpecManager()

    return make


def gpu_kernels(manager):
    return {
        name: spec["spec"]["display_name"]
        for name, spec in manager.get_all_specs().items()
        if name.startswith("gpu")
    }


def test_the_sizes_are_the_gpu_kernels_and_plain_ones_stay(manager):
    sized = manager([{"size": "0.02"}, {"size": "0.5x2", "group": "CS 231n", "course": "Vision, 50 % {a}"}])
    assert gpu_kernels(sized) == {
        "gpu-0.02": "GPU 0.02",
        "gpu-0.5x2-cs-231n-11a2909d": "GPU 0.5x2 (Vision, 50 % {a})",
    }
    assert "python3" in sized.get_all_specs()
    config = sized.get_kernel_spec("gpu-0.5x2-cs-231n-11a2909d").metadata["kernel_provisioner"]["config"]
    assert config == {"fraction": 0.5, "gpus": 2, "group": "CS 231n"}
    assert sized.get_kernel_spec("gpu-0.02").argv == kernel_json(Size.parse("0.02"))["argv"]


def test_groups_whose_names_differ_have_kernels_of_their_own(manager):
    groups = ["CS 101", "cs-101", "cs/101", "深度学习", "量子计算", "-"]
    sized = manager([{"size": "0.02", "group": group} for group in groups])
    specs = [sized.get_kernel_spec(name) for name in gpu_kernels(sized)]
    assert [spec.metadata["kernel_provisioner"]["config"]["group"] for spec in specs] == groups


def test_an_installed_size_is_no_way_round(manager):
    with pytest.raises(NoSuchKernel):
        manager([]).get_kernel_spec("gpu-0.5")
    assert gpu_kernels(manager([])) == {}


def test_without_a_hub_everything_is_as_installed(manager):
    shown = gpu_kernels(manager(None))
    assert shown["gpu-0.5"] == "GPU 0.5"
    assert shown == gpu_kernels(KernelSpecManager())


@pytest.mark.parametrize("text", ["{", '[{"size": "many"}]', "[3]", "3"])
def test_a_malformed_list_costs_the_gpu_kernels_and_nothing_else(manager, text, caplog):
    sized = manager(text)
    assert gpu_kernels(sized) == {}
    assert "python3" in sized.get_all_specs()


def test_an_offer_that_cannot_be_read_costs_no_other(manager, caplog):
    sized = manager([{"size": "0.02"}, {"size": "2"}, {"group": "cs"}, {"size": "0.1"}])
    assert gpu_kernels(sized) == {"gpu-0.02": "GPU 0.02", "gpu-0.1": "GPU 0.1"}
    assert "{'size': '2'} is passed over" in caplog.text
