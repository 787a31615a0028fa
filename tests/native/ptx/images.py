# SPDX-License-Identifier: BSD-3-Clause
"""Arrays, textures and surfaces of the driver API, for the tests: numpy arrays go in and come out."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .harness import Buffer, Driver

FORMATS = {
    "uint8": 0x01, "uint16": 0x02, "uint32": 0x03, "int8": 0x08, "int16": 0x09, "int32": 0x0A,
    "float16": 0x10, "float32": 0x20,
}  # fmt: skip
LAYERED, SURFACE, CUBE, GATHER = 1, 2, 4, 8
WRAP, CLAMP, MIRROR, BORDER = range(4)
POINT, LINEAR = 0, 1
AS_INTEGER, NORMALIZED, SRGB = 1, 2, 0x10
HOST_MEMORY, DEVICE_MEMORY, ARRAY_MEMORY = 1, 2, 3


class ArrayDescriptor(ctypes.Structure):
    """CUDA_ARRAY3D_DESCRIPTOR."""

    _fields_ = [("width", ctypes.c_size_t), ("height", ctypes.c_size_t), ("depth", ctypes.c_size_t),
                ("format", ctypes.c_int), ("channels", ctypes.c_uint), ("flags", ctypes.c_uint)]  # fmt: skip


class Copy3D(ctypes.Structure):
    """CUDA_MEMCPY3D."""

    _fields_: ClassVar[Any] = [(f"{side}_{name}", kind) for side in ("src", "dst") for name, kind in [
        ("x", ctypes.c_size_t), ("y", ctypes.c_size_t), ("z", ctypes.c_size_t), ("lod", ctypes.c_size_t),
        ("type", ctypes.c_int), ("host", ctypes.c_void_p), ("device", ctypes.c_uint64),
        ("array", ctypes.c_void_p),
        ("reserved", ctypes.c_void_p), ("pitch", ctypes.c_size_t), ("height", ctypes.c_size_t),
    ]] + [("width", ctypes.c_size_t), ("height", ctypes.c_size_t), ("depth", ctypes.c_size_t)]  # fmt: skip


class _Linear(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint64), ("format", ctypes.c_int), ("channels", ctypes.c_uint),
                ("width_or_bytes", ctypes.c_size_t), ("height", ctypes.c_size_t),
                ("pitch", ctypes.c_size_t)]  # fmt: skip


class _Resource(ctypes.Union):
    _fields_ = [("array", ctypes.c_void_p), ("linear", _Linear), ("reserved", ctypes.c_int * 32)]


class ResourceDescriptor(ctypes.Structure):
    """CUDA_RESOURCE_DESC."""

    _fields_ = [("type", ctypes.c_int), ("res", _Resource), ("flags", ctypes.c_uint)]
    owner: Any = None  # lives as long as the description


def _described(owner: Any, kind: int, **res: Any) -> ResourceDescriptor:
    described = ResourceDescriptor(type=kind, res=_Resource(**res))
    described.owner = owner
    return described


class Handle(np.uint64):
    """What kernels get; keeps what it stands for."""

    resource: ResourceDescriptor


def _handle(value: int, resource: ResourceDescriptor) -> Handle:
    handle: Handle = Handle(value)
    handle.resource = resource
    return handle


class TextureDescriptor(ctypes.Structure):
    """CUDA_TEXTURE_DESC."""

    _fields_ = [("addressing", ctypes.c_int * 3), ("filter", ctypes.c_int), ("flags", ctypes.c_uint),
                ("anisotropy", ctypes.c_uint), ("level_filter", ctypes.c_int), ("bias", ctypes.c_float),
                ("lowest", ctypes.c_float), ("highest", ctypes.c_float), ("border", ctypes.c_float * 4),
                ("reserved", ctypes.c_int * 12)]  # fmt: skip


class ViewDescriptor(ctypes.Structure):
    """CUDA_RESOURCE_VIEW_DESC."""

    _fields_ = [("format", ctypes.c_int), ("width", ctypes.c_size_t), ("height", ctypes.c_size_t),
                ("depth", ctypes.c_size_t), ("first_level", ctypes.c_uint), ("last_level", ctypes.c_uint),
                ("first_layer", ctypes.c_uint), ("last_layer", ctypes.c_uint),
                ("reserved", ctypes.c_uint * 16)]  # fmt: skip


class Array:
    """A CUarray of `shape` (x last; layers or slices first), each texel of `channels` values."""

    def __init__(
        self, gpu: Driver, shape: Sequence[int], dtype: Any, channels: int = 1, flags: int = 0
    ) -> None:
        self.gpu, self.context = gpu, gpu.context
        self.shape, self.dtype, self.channels, self.flags = tuple(shape), np.dtype(dtype), channels, flags
        self.handle = ctypes.c_void_p()
        gpu.call("cuArray3DCreate_v2", ctypes.byref(self.handle), ctypes.byref(self.descriptor()))

    def descriptor(self) -> ArrayDescriptor:
        sizes = list(reversed(self.shape))
        height = sizes[1] if len(sizes) > 1 else 0
        depth = sizes[2] if len(sizes) > 2 else 0
        if self.flags & LAYERED and len(sizes) == 2:
            height, depth = 0, sizes[1]
        return ArrayDescriptor(sizes[0], height, depth, FORMATS[self.dtype.name], self.channels, self.flags)

    def _copy(self, data: np.ndarray[Any, Any], inwards: bool) -> None:
        described = self.descriptor()
        row = described.width * self.channels * self.dtype.itemsize
        copy = Copy3D(width=row, height=max(described.height, 1), depth=max(described.depth, 1))
        host, array = ("src", "dst") if inwards else ("dst", "src")
        setattr(copy, f"{host}_type", HOST_MEMORY)
        setattr(copy, f"{host}_host", data.ctypes.data)
        setattr(copy, f"{host}_pitch", row)
        setattr(copy, f"{host}_height", max(described.height, 1))
        setattr(copy, f"{array}_type", ARRAY_MEMORY)
        setattr(copy, f"{array}_array", self.handle)
        self.gpu.call("cuMemcpy3D_v2", ctypes.byref(copy))

    def put(self, data: np.ndarray[Any, Any]) -> Array:
        self._copy(np.ascontiguousarray(data, self.dtype), inwards=True)
        return self

    def get(self) -> np.ndarray[Any, Any]:
        channels = (self.channels,) if self.channels > 1 else ()
        out = np.empty((*self.shape, *channels), self.dtype)
        self._copy(out, inwards=False)
        return out

    def resource(self) -> ResourceDescriptor:
        return _described(self, 0, array=self.handle)

    def __del__(self) -> None:
        if self.context.alive and self.handle:
            self.gpu.lib.cuArrayDestroy(self.handle)


class Level(Array):
    """One level of a mipmapped array."""

    def __init__(self, owner: Mipmap, level: int) -> None:
        self.gpu, self.context = owner.gpu, owner.gpu.context
        self.shape = tuple(max(size >> level, 1) for size in owner.shape)
        self.dtype, self.channels, self.flags = owner.dtype, 1, 0
        self.handle = ctypes.c_void_p()
        self.gpu.call("cuMipmappedArrayGetLevel", ctypes.byref(self.handle), owner.handle, level)

    def __del__(self) -> None:
        """It ends with its mipmapped array."""


class Mipmap:
    """A CUmipmappedArray of one channel."""

    def __init__(self, gpu: Driver, shape: Sequence[int], dtype: Any, levels: int) -> None:
        self.gpu, self.shape, self.dtype = gpu, tuple(shape), np.dtype(dtype)
        sizes = [*reversed(self.shape), 0, 0]
        descriptor = ArrayDescriptor(*sizes[:3], FORMATS[self.dtype.name], 1, 0)
        self.handle = ctypes.c_void_p()
        gpu.call("cuMipmappedArrayCreate", ctypes.byref(self.handle), ctypes.byref(descriptor), levels)

    def level(self, level: int) -> Level:
        return Level(self, level)

    def resource(self) -> ResourceDescriptor:
        return _described(self, 1, array=self.handle)


def linear_resource(buffer: Buffer, dtype: Any, channels: int, size: int) -> ResourceDescriptor:
    """Plain memory, read by index. The caller keeps it."""
    linear = _Linear(buffer.address, FORMATS[np.dtype(dtype).name], channels, size, 0, 0)
    return _described(None, 2, linear=linear)


def pitched_resource(buffer: Buffer, dtype: Any, width: int, height: int, pitch: int) -> ResourceDescriptor:
    """Rows in plain memory."""
    linear = _Linear(buffer.address, FORMATS[np.dtype(dtype).name], 1, width, height, pitch)
    return _described(buffer, 3, linear=linear)


def texture(
    gpu: Driver,
    resource: ResourceDescriptor,
    *,
    addressing: int = CLAMP,
    filter_mode: int = POINT,
    flags: int = 0,
    view: ViewDescriptor | None = None,
    **more: Any,
) -> Handle:
    """The handle of a new texture object; `more` names fields of TextureDescriptor."""
    descriptor = TextureDescriptor(filter=filter_mode, flags=flags, **more)
    descriptor.addressing[:] = [addressing] * 3
    handle = ctypes.c_uint64()
    gpu.call("cuTexObjectCreate", ctypes.byref(handle), ctypes.byref(resource), ctypes.byref(descriptor),
             ctypes.byref(view) if view else None)  # fmt: skip
    return _handle(handle.value, resource)


def surface(gpu: Driver, array: Array) -> Handle:
    """The handle of a new surface object."""
    handle, resource = ctypes.c_uint64(), array.resource()
    gpu.call("cuSurfObjectCreate", ctypes.byref(handle), ctypes.byref(resource))
    return _handle(handle.value, resource)
