# SPDX-License-Identifier: BSD-3-Clause
"""Boxes inside larger boxes, between host and device in all directions, at odd offsets."""

from __future__ import annotations

import ctypes

import numpy as np
from driver import Address, Handle, Size, allocate, call, download, fails, start, upload


def side(prefix: str) -> list[tuple[str, type]]:
    names = ["XInBytes", "Y", "Z", "LOD"]
    fields: list[tuple[str, type]] = [(prefix + name, Size) for name in names]
    fields += [
        (prefix + "MemoryType", ctypes.c_uint),
        (prefix + "Host", Handle),
        (prefix + "Device", Address),
    ]
    fields += [(prefix + "Array", Handle), (prefix + "Reserved", Handle)]
    return [*fields, (prefix + "Pitch", Size), (prefix + "Height", Size)]


class Copy3D(ctypes.Structure):
    _fields_ = [*side("src"), *side("dst"), ("WidthInBytes", Size), ("Height", Size), ("Depth", Size)]


HOST, DEVICE = 1, 2
BOX = (5, 7, 11)  # depth, height, width in bytes
random = np.random.default_rng(3)


class Place:
    """A box of bytes in host or device memory, larger than what is copied, and a corner in it."""

    def __init__(self, kind: int, shape: tuple[int, int, int], corner: tuple[int, int, int]) -> None:
        self.kind, self.shape, self.corner = kind, shape, corner
        self.host = random.integers(0, 256, shape, dtype=np.uint8)
        if kind == DEVICE:
            self.address = allocate(self.host.nbytes)
            upload(self.address, self.host.tobytes())

    def fill(self, copy: Copy3D, prefix: str) -> None:
        depth, height, width = self.corner
        values = {"XInBytes": width, "Y": height, "Z": depth, "MemoryType": self.kind}
        values |= {"Pitch": self.shape[2], "Height": self.shape[1]}
        if self.kind == DEVICE:
            values["Device"] = self.address
        else:
            values["Host"] = self.host.ctypes.data
        for name, value in values.items():
            setattr(copy, prefix + name, value)

    def content(self) -> np.ndarray:
        if self.kind == HOST:
            return self.host.copy()
        return np.frombuffer(download(self.address, self.host.nbytes), np.uint8).reshape(self.shape)

    def box(self) -> tuple[slice, ...]:
        return tuple(slice(at, at + size) for at, size in zip(self.corner, BOX, strict=True))


start()
stream = Handle()
call("cuStreamCreate", ctypes.byref(stream), 1)
for source_kind in (HOST, DEVICE):
    for target_kind in (HOST, DEVICE):
        for asynchronous in (False, True):
            source = Place(source_kind, (8, 9, 20), (1, 2, 3))
            target = Place(target_kind, (6, 12, 31), (0, 4, 13))
            expected = target.content().copy()
            expected[target.box()] = source.content()[source.box()]
            copy = Copy3D(WidthInBytes=BOX[2], Height=BOX[1], Depth=BOX[0])
            source.fill(copy, "src")
            target.fill(copy, "dst")
            if asynchronous:
                call("cuMemcpy3DAsync_v2", ctypes.byref(copy), stream)
                call("cuStreamSynchronize", stream)
            else:
                call("cuMemcpy3D_v2", ctypes.byref(copy))
            assert np.array_equal(target.content(), expected), (source_kind, target_kind, asynchronous)

outside = Copy3D(WidthInBytes=11, Height=7, Depth=500)
Place(HOST, (8, 9, 20), (1, 2, 3)).fill(outside, "src")
Place(DEVICE, (6, 12, 31), (0, 4, 13)).fill(outside, "dst")
fails(1, "cuMemcpy3D_v2", ctypes.byref(outside))
print("ok")
