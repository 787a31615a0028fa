# SPDX-License-Identifier: BSD-3-Clause
"""What an agent finds in its server: asked of a small driver library, compiled here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bfkernel.remote.agent.inventory import DriverOptions, take_inventory
from bfkernel.remote.records import Gpu
from bfkernel.remote.state_dir import ConfigurationError

_DRIVER = """
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
static int count(void) { return atoi(getenv("SOFTGPU_DEVICES")); }
int cuInit(unsigned flags) { return getenv("TEST_NO_DEVICE") ? 100 : 0; }
int cuDriverGetVersion(int* version) { *version = 12080; return 0; }
int cuDeviceGetCount(int* n) { *n = count(); return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = 10 + ordinal; return 0; }
int cuDeviceGetName(char* name, int size, int device) {
  strncpy(name, "Emulated GPU (test)", size);
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  *bytes = ((size_t)atoi(getenv("SOFTGPU_MEMORY")) << 20) + 12345;
  return 0;
}
int cuDeviceGetUuid(unsigned char* uuid, int device) {
  memset(uuid, getenv("TEST_ONE_UUID") ? 1 : device, 16);
  return 0;
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(_DRIVER)
    library = folder / "libdriver.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "driver.c"], check=True)
    return str(library)


def test_gpus_are_as_the_driver_shows_them(driver: str) -> None:
    inventory = take_inventory("gpu1", DriverOptions(driver, softgpus=2, softgpu_memory_mib=1000))
    first = "GPU-0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
    assert inventory.gpus[0] == Gpu("gpu1", first, 0, "Emulated GPU (test)", 1000, emulated=True)
    assert [gpu.index for gpu in inventory.gpus] == [0, 1]
    assert inventory.description == "libdriver.so, CUDA 12.8"
    assert (inventory.driver_version, inventory.cuda_version) == ("", "12.8")
    assert inventory.library == driver


def test_workers_get_no_secret_and_no_lease(
    driver: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "client").mkdir()
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path))
    monkeypatch.setenv("BFKERNEL_TOKEN", "secret")
    monkeypatch.setenv("BFKERNEL_LEASE_FILE", "/lease.json")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/client/:/opt/cuda")
    environment = take_inventory("gpu1", DriverOptions(driver)).environment
    assert not {"BFKERNEL_TOKEN", "BFKERNEL_LEASE_FILE"} & set(environment)
    assert environment["LD_LIBRARY_PATH"] == "/opt/cuda"


@pytest.mark.parametrize(
    ("variable", "gpus", "complaint"),
    [
        ("TEST_NO_DEVICE", 1, "cuInit gave error 100"),
        ("", 0, "has no GPU"),
        ("TEST_ONE_UUID", 2, "same UUID"),
    ],
)
def test_a_driver_that_does_not_work_is_refused(
    driver: str, monkeypatch: pytest.MonkeyPatch, variable: str, gpus: int, complaint: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigurationError, match=complaint):
        take_inventory("gpu1", DriverOptions(driver, softgpus=gpus))


def test_a_library_that_is_no_driver_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not work"):
        take_inventory("gpu1", DriverOptions(str(tmp_path / "nothing.so")))
    with pytest.raises(ConfigurationError, match="does not work"):
        take_inventory("gpu1", DriverOptions("libc.so.6"))
