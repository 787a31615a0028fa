# SPDX-License-Identifier: BSD-3-Clause
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from bfkernel.provisioner.kernelspec import (
    STOCK_SIZES,
    install_kernelspec,
    kernel_json,
    kernel_name,
    write_kernelspec,
)
from bfkernel.remote.client import Size

STOCK = Path(__file__).parents[3] / "share" / "jupyter" / "kernels"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("text", STOCK_SIZES)
def test_the_stock_kernelspecs_are_what_the_writer_writes(text, tmp_path):
    size = Size.parse(text)
    write_kernelspec(tmp_path / size.kernel_name, kernel_json(size))
    assert files(STOCK / size.kernel_name) == files(tmp_path / size.kernel_name)


def test_there_is_no_other_stock():
    names = {path.name for path in STOCK.iterdir()}
    assert names == {Size.parse(text).kernel_name for text in STOCK_SIZES}


def test_sizes_become_the_provisioners_settings():
    def config(text):
        return kernel_json(Size.parse(text))["metadata"]["kernel_provisioner"]["config"]

    assert config("0.02") == {"fraction": 0.02}
    assert config("0.5x2") == {"fraction": 0.5, "gpus": 2}
    assert config("2048m") == {"memory_mib": 2048}


def test_installed_for_a_python_of_ones_own(tmp_path):
    folder = install_kernelspec(Size.parse("0.5x2"), prefix=str(tmp_path), python="/opt/course/bin/python")
    assert folder == tmp_path / "share" / "jupyter" / "kernels" / "gpu-0.5x2"
    spec = KernelSpec.from_resource_dir(str(folder))
    assert spec.argv[0] == "/opt/course/bin/python"
    assert spec.display_name == "GPU 0.5x2"


def test_jupyters_own_installer_takes_them(tmp_path):
    command = [sys.executable, "-m", "jupyter_client.kernelspecapp", "install", str(STOCK / "gpu-0.02")]
    subprocess.run([*command, "--prefix", str(tmp_path)], check=True, capture_output=True, timeout=60)
    installed = tmp_path / "share" / "jupyter" / "kernels"
    manager = KernelSpecManager(kernel_dirs=[str(installed)], ensure_native_kernel=False)
    assert manager.get_all_specs()["gpu-0.02"]["spec"]["display_name"] == "GPU 0.02"
    assert json.loads((installed / "gpu-0.02" / "kernel.json").read_text())["argv"][0] == "python"


def test_a_course_has_a_kernel_of_its_own(tmp_path):
    installed = install_kernelspec(
        Size.parse("0.02"), prefix=str(tmp_path), group="cs231n", filters=["cuda>=12.4"]
    )
    assert installed.name == "gpu-0.02-cs231n"
    spec = KernelSpec.from_resource_dir(str(installed))
    assert spec.display_name == "GPU 0.02 (cs231n)"
    config = spec.metadata["kernel_provisioner"]["config"]
    assert config == {"fraction": 0.02, "group": "cs231n", "filters": ["cuda>=12.4"]}


def test_any_groups_name_becomes_a_kernels_name():
    size = Size.parse("0.1")
    assert kernel_name(size, "Übung A/B") == "gpu-0.1-bung-a-b-4f15bd0b"
    assert kernel_name(size, "Kurs_1") == "gpu-0.1-kurs_1"
    assert kernel_name(size, "课程") == "gpu-0.1-60db1afb"
    assert kernel_name(size) == "gpu-0.1"
