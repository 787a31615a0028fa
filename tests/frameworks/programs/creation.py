# SPDX-License-Identifier: BSD-3-Clause
"""Make and destroy a library's handle twice: ``creation.py LIBRARY FOLDER``, FOLDER holds NVIDIA's wheels.

Prints the library's version and ``ok``. An emulated GPU goes as far as that: these libraries compute with
machine code.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

Handle = ctypes.c_void_p


def library(folder: Path, pattern: str) -> ctypes.CDLL:
    """Load the one library of that name below ``folder``."""
    (path,) = folder.rglob(pattern)
    return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def check(name: str, status: int) -> None:
    assert status == 0, f"{name} returned {status}"


def handle_of(lib: ctypes.CDLL, create: str, destroy: str, *arguments: object) -> None:
    handle = Handle()
    check(create, getattr(lib, create)(ctypes.byref(handle), *arguments))
    assert handle.value
    check(destroy, getattr(lib, destroy)(handle))


def number_of(lib: ctypes.CDLL, function: str) -> int:
    """Call ``function(int*)``."""
    value = ctypes.c_int()
    check(function, getattr(lib, function)(ctypes.byref(value)))
    return value.value


def cublas(folder: Path) -> int:
    lib = library(folder, "libcublas.so.*")
    handle_of(lib, "cublasCreate_v2", "cublasDestroy_v2")
    return int(lib.cublasGetCudartVersion())


def cublaslt(folder: Path) -> int:
    lib = library(folder, "libcublasLt.so.*")
    handle_of(lib, "cublasLtCreate", "cublasLtDestroy")
    lib.cublasLtGetVersion.restype = ctypes.c_size_t
    return int(lib.cublasLtGetVersion())


def cudnn(folder: Path) -> int:
    lib = library(folder, "libcudnn.so.*")
    handle_of(lib, "cudnnCreate", "cudnnDestroy")
    lib.cudnnGetVersion.restype = ctypes.c_size_t
    return int(lib.cudnnGetVersion())


def cufft(folder: Path) -> int:
    lib = library(folder, "libcufft.so.*")
    plan, complex_to_complex = ctypes.c_int(), 0x29
    check("cufftPlan1d", lib.cufftPlan1d(ctypes.byref(plan), 1024, complex_to_complex, 1))
    check("cufftDestroy", lib.cufftDestroy(plan))
    return number_of(lib, "cufftGetVersion")


def curand(folder: Path) -> int:
    lib = library(folder, "libcurand.so.*")
    default_generator = 100
    handle_of(lib, "curandCreateGenerator", "curandDestroyGenerator", default_generator)
    return number_of(lib, "curandGetVersion")


def cusparse(folder: Path) -> int:
    library(folder, "libnvJitLink.so.*")
    lib = library(folder, "libcusparse.so.*")
    handle, version = Handle(), ctypes.c_int()
    check("cusparseCreate", lib.cusparseCreate(ctypes.byref(handle)))
    check("cusparseGetVersion", lib.cusparseGetVersion(handle, ctypes.byref(version)))
    check("cusparseDestroy", lib.cusparseDestroy(handle))
    return version.value


def cusolver(folder: Path) -> int:
    for needed in ("libnvJitLink.so.*", "libcublasLt.so.*", "libcublas.so.*", "libcusparse.so.*"):
        library(folder, needed)
    lib = library(folder, "libcusolver.so.*")
    handle_of(lib, "cusolverDnCreate", "cusolverDnDestroy")
    return number_of(lib, "cusolverGetVersion")


def nccl(folder: Path) -> int:
    """Initialise one communicator for each GPU of the lease, in this process."""
    lib = library(folder, "libnccl.so.*")
    count = ctypes.c_int()
    cuda = ctypes.CDLL("libcuda.so.1")
    assert cuda.cuInit(0) == 0
    assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
    communicators = (Handle * count.value)()
    check("ncclCommInitAll", lib.ncclCommInitAll(communicators, count, None))
    for communicator in communicators:
        check("ncclCommDestroy", lib.ncclCommDestroy(Handle(communicator)))
    return number_of(lib, "ncclGetVersion")


LIBRARIES: dict[str, Callable[[Path], int]] = {
    made.__name__: made for made in (cublas, cublaslt, cudnn, cufft, curand, cusparse, cusolver, nccl)
}

if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    version = LIBRARIES[name](folder)
    assert LIBRARIES[name](folder) == version
    print(version, "ok")
