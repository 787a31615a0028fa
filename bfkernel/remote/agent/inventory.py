# SPDX-License-Identifier: BSD-3-Clause
"""The GPUs of this server, as the CUDA driver that the workers will load shows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bfkernel import __version__
from bfkernel.remote import native_files
from bfkernel.remote.agent import driver_probe, nvml
from bfkernel.remote.records import Gpu
from bfkernel.remote.state_dir import ConfigurationError

_PROBE_LIMIT_S = 60.0
_REAL_DRIVER = "libcuda.so.1"
_SOFTGPU = "libsoftgpu.so"
# : Not for drivers and workers: they would follow a lease of somebody else's, or hold a secret that they do
# not need.
_PRIVATE_VARIABLES = (
    "BFKERNEL_LEASE_FILE",
    "BFKERNEL_TOKEN",
    "BFKERNEL_JOIN_TOKEN",
    "BFKERNEL_POOL_URL",
    "BFKERNEL_DATABASE_URL",
    "JUPYTERHUB_API_TOKEN",
)


@dataclass(frozen=True)
class DriverOptions:
    """Which CUDA driver: ``auto`` (the real one, else softgpu), ``softgpu``, or a library's path."""

    driver: str = "auto"
    softgpus: int = 1
    softgpu_memory_mib: int = 32768


@dataclass(frozen=True)
class Inventory:
    """What the workers load, with which environment, and the GPUs that it has."""

    library: str
    #: for people: ``softgpu``, ``libcuda.so.1 580.65.06, CUDA 13.0``
    description: str
    #: for filters: ``580.65.06``, empty where unknown; an emulated driver has the version of this package
    driver_version: str
    #: ``13.0``
    cuda_version: str
    environment: dict[str, str]
    gpus: tuple[Gpu, ...]


def take_inventory(server: str, options: DriverOptions) -> Inventory:
    """Find the driver and ask it for its GPUs.

    Raises:
        ConfigurationError: there is no such driver, it does not work, or it has no GPU.
    """
    environment = _environment(options)
    if options.driver == "auto":
        try:
            return _ask(server, _REAL_DRIVER, environment)
        except ConfigurationError:
            return _ask(server, _softgpu(), environment)
    return _ask(server, _softgpu() if options.driver == "softgpu" else options.driver, environment)


def _softgpu() -> str:
    try:
        return str(native_files.softgpu())
    except FileNotFoundError as error:
        raise ConfigurationError(str(error)) from error


def _environment(options: DriverOptions) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in _PRIVATE_VARIABLES}
    environment["SOFTGPU_DEVICES"] = str(options.softgpus)
    environment["SOFTGPU_MEMORY"] = f"{options.softgpu_memory_mib}MiB"
    # An agent that was started from a routed process must not take the shim for a driver.
    shim = native_files.native_dir() / "client"
    paths = [
        p
        for p in environment.get("LD_LIBRARY_PATH", "").split(":")
        if p and Path(p).resolve() != shim.resolve()
    ]
    environment.pop("LD_LIBRARY_PATH", None)
    if paths:
        environment["LD_LIBRARY_PATH"] = ":".join(paths)
    return environment


def _ask(server: str, library: str, environment: dict[str, str]) -> Inventory:
    command = [sys.executable, str(Path(driver_probe.__file__)), library]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_PROBE_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"The CUDA driver {library} did not tell its GPUs within {_PROBE_LIMIT_S:g} s."
        raise ConfigurationError(message) from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        message = f"The CUDA driver {library} does not work: {reason}."
        raise ConfigurationError(message)
    answer = json.loads(done.stdout.splitlines()[-1])
    gpus = tuple(Gpu(server, emulated=_emulated(gpu["name"]), **gpu) for gpu in answer["gpus"])
    if not gpus:
        msg = f"The CUDA driver {library} has no GPU: check CUDA_VISIBLE_DEVICES."
        raise ConfigurationError(msg)
    if len({gpu.id for gpu in gpus}) != len(gpus):
        msg = f"The CUDA driver {library} has two GPUs with the same UUID."
        raise ConfigurationError(msg)
    version = _version(library)
    name = " ".join(word for word in (_name(library), version) if word)
    return Inventory(library, f"{name}, CUDA {answer['cuda']}", version, answer["cuda"], environment, gpus)


def _emulated(name: str) -> bool:
    return name.startswith("Emulated")


def _name(library: str) -> str:
    name = Path(library).name
    return "softgpu" if name == _SOFTGPU else name


def _version(library: str) -> str:
    name = Path(library).name
    if name == _SOFTGPU:
        return __version__
    return nvml.driver_version() or "" if name == _REAL_DRIVER else ""
