# SPDX-License-Identifier: BSD-3-Clause
"""Textures and surfaces: what kernels that nvcc compiled read and write (kernels/textures.cu)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .harness import CudaError, Driver, Module, Result, kernel
from .images import (
    AS_INTEGER,
    BORDER,
    CLAMP,
    CUBE,
    LAYERED,
    LINEAR,
    MIRROR,
    NORMALIZED,
    SRGB,
    SURFACE,
    WRAP,
    Array,
    Mipmap,
    ResourceDescriptor,
    TextureDescriptor,
    ViewDescriptor,
    linear_resource,
    pitched_resource,
    surface,
    texture,
)

PTX = (Path(__file__).parent / "kernels" / "textures.ptx").read_text()
PLACE = np.dtype([("x", np.float32), ("y", np.float32), ("z", np.float32), ("layer", np.int32)])


def fetch(
    gpu: Driver, name: str, handle: np.uint64, places: Sequence[tuple[float, ...]], dtype: Any = np.float32
) -> np.ndarray[Any, Any]:
    """What the kernel `name` reads at each place (x, y, z, layer): rows of four channels."""
    at = np.zeros(len(places), PLACE)
    for field, column in zip(PLACE.names or (), zip(*places, strict=True), strict=False):
        at[field] = column
    out = gpu.zeros(4 * len(places), dtype)
    module = gpu.load(PTX)
    gpu.launch(module.function(name), 1, len(places), [out, handle, gpu.upload(at), np.int32(len(places))])
    return out.get(dtype).reshape(-1, 4)


def index_of(i: int, size: int, addressing: int) -> int:
    """The texel that stands at index i; -1 for the border."""
    if 0 <= i < size:
        return i
    if addressing == WRAP:
        return i % size
    if addressing == MIRROR:
        return min(i % (2 * size), 2 * size - 1 - i % (2 * size))
    return -1 if addressing == BORDER else min(max(i, 0), size - 1)


def expected(image: np.ndarray[Any, Any], at: Sequence[float], addressing: int, linear: bool) -> float:
    """CUDA's filter over an image indexed [z][y][x], at unnormalised coordinates x, y, z."""
    sizes = image.shape[::-1]
    if not linear:
        index = [index_of(int(np.floor(u)), size, addressing) for u, size in zip(at, sizes, strict=True)]
        return 0.0 if -1 in index else float(image[tuple(reversed(index))])
    low = [int(np.floor(u - 0.5)) for u in at]
    high = [np.rint((u - 0.5 - i) * 256) / 256 for u, i in zip(at, low, strict=True)]
    total = 0.0
    for corner in np.ndindex(*([2] * len(at))):
        weight = float(np.prod([h if c else 1 - h for c, h in zip(corner, high, strict=True)]))
        total += weight * expected(
            image, [i + c for i, c in zip(low, corner, strict=True)], addressing, False
        )
    return total


def image(*shape: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("addressing", [WRAP, CLAMP, MIRROR, BORDER])
@pytest.mark.parametrize(("name", "shape"), [("tex_1d", (7,)), ("tex_2d", (5, 6)), ("tex_3d", (3, 4, 5))])
def test_addressing_and_filters(
    gpu: Driver, name: str, shape: tuple[int, ...], addressing: int, linear: bool
) -> None:
    """Inside and far outside of the image, by fractions of its size."""
    data = image(*shape)
    handle = texture(gpu, Array(gpu, shape, np.float32).put(data).resource(), addressing=addressing,
                     filter_mode=int(linear), flags=NORMALIZED)  # fmt: skip
    places = np.random.default_rng(2).uniform(-1.7, 2.7, (100, len(shape))).astype(np.float32)
    got = fetch(gpu, name, handle, [(*place, *[0.0] * (3 - len(place)), 0) for place in places])
    sizes = np.array(shape[::-1])
    want = [expected(data, place.astype(float) * sizes, addressing, linear) for place in places]
    np.testing.assert_allclose(got[:, 0], want, atol=2e-6)


def test_coordinates_in_texels(gpu: Driver) -> None:
    """Texel centres are at halves; wrapping and mirroring need fractions, so they clamp here."""
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    handle = texture(
        gpu, Array(gpu, (3, 4), np.float32).put(data).resource(), addressing=WRAP, filter_mode=LINEAR
    )
    got = fetch(gpu, "tex_2d", handle, [(0.5, 0.5), (2.0, 0.5), (1.5, 2.0), (9.0, 9.0), (-9.0, 1.5)])
    assert got[:, 0].tolist() == [0, 1.5, 7, 11, 4]


def test_normalised_integers(gpu: Driver) -> None:
    """8 and 16 bits come back as fractions, or as they are where the description says so."""
    cases: list[tuple[Any, list[int], list[float]]] = [
        (np.uint8, [0, 51, 255, 128], [0, 0.2, 1, 128 / 255]),
        (np.int8, [-128, 127, -127, 1], [-1, 1, -1, 1 / 127]),
        (np.uint16, [0, 65535, 13107, 1], [0, 1, 0.2, 1 / 65535]),
        (np.int16, [-32768, 32767, 0, -1], [-1, 1, 0, -1 / 32767]),
    ]
    for dtype, values, fractions in cases:
        array = Array(gpu, (1, 1), dtype, channels=4).put(np.array(values))
        got = fetch(gpu, "tex_2d", texture(gpu, array.resource()), [(0.5, 0.5)])
        np.testing.assert_allclose(got[0], fractions, rtol=1e-6)
        whole = texture(gpu, array.resource(), flags=AS_INTEGER)
        assert fetch(gpu, "tex_2d_integers", whole, [(0.5, 0.5)], np.int32)[0].tolist() == values


@pytest.mark.parametrize("dtype", [np.uint32, np.int32])
def test_32_bit_integers_are_never_fractions(gpu: Driver, dtype: Any) -> None:
    values = np.array([[1, 2**31 - 1], [7, 0]], dtype)
    handle = texture(gpu, Array(gpu, (2, 2), dtype).put(values).resource())
    got = fetch(gpu, "tex_2d_integers", handle, [(1.5, 0.5), (0.5, 1.5)], np.int32)
    assert got[:, 0].tolist() == [2**31 - 1, 7]


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_halves_of_several_channels(gpu: Driver, channels: int) -> None:
    data = image(2, 3 * channels).astype(np.float16)
    handle = texture(gpu, Array(gpu, (2, 3), np.float16, channels).put(data).resource())
    got = fetch(gpu, "tex_2d", handle, [(2.5, 1.5)])
    assert got[0, :channels].tolist() == data[1, 2 * channels :].astype(np.float32).tolist()


def test_srgb(gpu: Driver) -> None:
    """Colours become linear; the fourth channel is none."""
    array = Array(gpu, (1, 1), np.uint8, channels=4).put(np.array([255, 128, 5, 128]))
    got = fetch(gpu, "tex_2d", texture(gpu, array.resource(), flags=SRGB), [(0.5, 0.5)])
    np.testing.assert_allclose(got[0], [1, 0.2158605, 0.0015176, 128 / 255], rtol=1e-4)


def test_border_colour(gpu: Driver) -> None:
    array = Array(gpu, (2, 2), np.float32).put(np.ones(4))
    handle = texture(gpu, array.resource(), addressing=BORDER, filter_mode=LINEAR, border=(5, 0, 0, 0))
    got = fetch(gpu, "tex_2d", handle, [(-4.0, 0.5), (0.0, 1.0)])
    assert got[:, 0].tolist() == [5, 3]


def test_layers(gpu: Driver) -> None:
    """Each layer is an image of its own; layers outside are the outermost ones."""
    data = image(3, 4, 5)
    handle = texture(gpu, Array(gpu, (3, 4, 5), np.float32, flags=LAYERED).put(data).resource())
    got = fetch(gpu, "tex_2d_layered", handle, [(4.5, 2.5, 0, layer) for layer in (0, 1, 2, 7, -3)])
    assert got[:, 0].tolist() == [data[layer, 2, 4] for layer in (0, 1, 2, 2, 0)]
    row = Array(gpu, (3, 4), np.float32, flags=LAYERED).put(data[:, 0, :4])
    got = fetch(gpu, "tex_1d_layered", texture(gpu, row.resource()), [(1.5, 0, 0, 2)])
    assert got[0, 0] == data[2, 0, 1]


def test_cubes(gpu: Driver) -> None:
    """Directions choose a face: +x, -x, +y, -y, +z, -z."""
    faces = np.repeat(np.arange(12, dtype=np.float32), 4).reshape(12, 2, 2)
    faces[4] = [[40, 41], [42, 43]]
    directions = [(1, 0.1, 0.2), (-1, 0.1, 0), (0.3, 1, 0.2), (0, -2, 0), (0.1, 0.2, 3), (0, 0, -1)]
    cube = texture(gpu, Array(gpu, (6, 2, 2), np.float32, flags=CUBE).put(faces[:6]).resource())
    got = fetch(gpu, "tex_cube", cube, [(*direction, 0) for direction in directions])
    assert got[:, 0].tolist() == [0, 1, 2, 3, 41, 5]  # +z: right of the middle, above it
    both = Array(gpu, (12, 2, 2), np.float32, flags=CUBE | LAYERED).put(faces)
    got = fetch(gpu, "tex_cube_layered", texture(gpu, both.resource()), [(*d, 1) for d in directions])
    assert got[:, 0].tolist() == [6, 7, 8, 9, 10, 11]


def test_levels(gpu: Driver) -> None:
    """Levels of detail: chosen, between two, limited, shifted, and from gradients."""
    mipmap = Mipmap(gpu, (8, 8), np.float32, 3)
    for level in range(3):
        mipmap.level(level).put(np.full((8 >> level, 8 >> level), 10.0 * level))
    places = [(0.5, 0.5, level) for level in (0.0, 0.4, 0.5, 1.75, 2.0, 9.0)]
    nearest = texture(gpu, mipmap.resource(), flags=NORMALIZED, highest=9)
    assert fetch(gpu, "tex_2d_level", nearest, places)[:, 0].tolist() == [0, 0, 10, 20, 20, 20]
    linear = texture(gpu, mipmap.resource(), flags=NORMALIZED, highest=9, level_filter=LINEAR)
    got = fetch(gpu, "tex_2d_level", linear, places)[:, 0]
    np.testing.assert_allclose(got, [0, 4, 5, 17.5, 20, 20], atol=0.03)
    limited = texture(gpu, mipmap.resource(), flags=NORMALIZED, lowest=1, highest=1)
    assert fetch(gpu, "tex_2d_level", limited, places)[:, 0].tolist() == [10] * 6
    shifted = texture(gpu, mipmap.resource(), flags=NORMALIZED, highest=9, bias=1)
    assert fetch(gpu, "tex_2d_level", shifted, places)[:, 0].tolist() == [10, 10, 20, 20, 20, 20]
    steps = [(0.5, 0.5, step / 8) for step in (1, 2, 4)]
    assert fetch(gpu, "tex_2d_gradient", nearest, steps)[:, 0].tolist() == [0, 10, 20]


def test_gather(gpu: Driver) -> None:
    """The four texels of a bilinear filter, from the lower left round to the upper left."""
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    handle = texture(gpu, Array(gpu, (3, 4), np.float32).put(data).resource())
    assert fetch(gpu, "tex_2d_gather", handle, [(2.0, 1.0)])[0].tolist() == [5, 6, 2, 1]


def test_linear_memory(gpu: Driver) -> None:
    """By index; zeros outside, and no read once the memory is gone."""
    data = image(20)
    buffer = gpu.upload(data)
    handle = texture(gpu, linear_resource(buffer, np.float32, 2, data.nbytes))
    got = fetch(gpu, "tex_1d_fetch", handle, [(0, 0, 0, i) for i in (0, 9, 10, -1, 1 << 30)])
    assert got[:2, :2].tolist() == data.reshape(-1, 2)[[0, 9]].tolist()
    assert not got[2:].any()


def test_a_texture_of_freed_memory_faults(gpu: Driver) -> None:
    with gpu.throwaway_context():
        buffer = gpu.zeros(1 << 20, np.float32)
        handle = texture(gpu, linear_resource(buffer, np.float32, 1, 4 << 20))
        del buffer
        with pytest.raises(CudaError) as error:
            fetch(gpu, "tex_1d_fetch", handle, [(0, 0, 0, 5)])
    assert error.value.code == Result.ILLEGAL_ADDRESS


def test_rows_in_plain_memory(gpu: Driver) -> None:
    data = image(4, 8)
    handle = texture(gpu, pitched_resource(gpu.upload(data), np.float32, 5, 4, 32), filter_mode=LINEAR)
    got = fetch(gpu, "tex_2d", handle, [(4.5, 3.5), (5.5, 1.5), (1.0, 1.0)])
    np.testing.assert_allclose(got[:, 0], [data[3, 4], data[1, 4], data[:2, :2].mean()], rtol=1e-6)


def test_views(gpu: Driver) -> None:
    """A view shows some of the layers, under another format of the same size."""
    data = image(4, 2, 3)
    array = Array(gpu, (4, 2, 3), np.float32, flags=LAYERED).put(data)
    view = ViewDescriptor(format=0x10, width=3, height=2, depth=4, first_layer=1, last_layer=2)
    handle = texture(gpu, array.resource(), view=view)
    got = fetch(gpu, "tex_2d_layered", handle, [(0.5, 0.5, 0, layer) for layer in (0, 1, 2)])
    assert got[:, 0].tolist() == data[[1, 2, 2], 0, 0].tolist()


def test_lanes_with_textures_of_their_own(gpu: Driver) -> None:
    first, second = (gpu.upload(np.full(64, value, np.float32)) for value in (1, 2))
    handles = [texture(gpu, linear_resource(buffer, np.float32, 1, 256)) for buffer in (first, second)]
    out = gpu.zeros(64, np.float32)
    module = gpu.load(PTX)
    gpu.launch(module.function("tex_divergent"), 1, 64, [out, *handles, np.int32(60)])
    assert out.get(np.float32).tolist() == ([2, 0, 1, 0] * 16)[:60] + [0] * 4


def test_resize(gpu: Driver) -> None:
    """A picture made twice as big, as image programs do it."""
    picture = np.random.default_rng(3).integers(0, 256, (30, 40)).astype(np.uint8)
    handle = texture(
        gpu, Array(gpu, (30, 40), np.uint8).put(picture).resource(), filter_mode=LINEAR, flags=NORMALIZED
    )
    out = gpu.zeros(60 * 80, np.uint8)
    module = gpu.load(PTX)
    gpu.launch(module.function("resize"), (5, 4), (16, 16), [out, handle, np.int32(80), np.int32(60)])
    y, x = np.mgrid[0:60, 0:80]
    want = [
        expected(picture, ((a + 0.5) / 2, (b + 0.5) / 2), CLAMP, True)
        for a, b in zip(x.flat, y.flat, strict=True)
    ]
    assert abs(out.get(np.uint8).astype(int) - np.array(want)).max() <= 1


# ---- surfaces


def launch(gpu: Driver, name: str, grid: Any, block: Any, *args: Any) -> Module:
    module = gpu.load(PTX)
    gpu.launch(module.function(name), grid, block, args)
    return module


def test_surfaces_are_read_and_written(gpu: Driver) -> None:
    data = image(16, 16)
    source = Array(gpu, (16, 16), np.float32, flags=SURFACE).put(data)
    target = Array(gpu, (16, 16), np.float32, flags=SURFACE)
    launch(gpu, "turn", 16, 16, surface(gpu, target), surface(gpu, source), np.int32(16))
    np.testing.assert_array_equal(target.get(), np.rot90(data, -1))
    cube = Array(gpu, (2, 3, 4), np.int16, flags=SURFACE)
    launch(gpu, "fill_3d", 1, (4, 3, 2), surface(gpu, cube))
    z, y, x = np.mgrid[0:2, 0:3, 0:4]
    np.testing.assert_array_equal(cube.get(), x + 10 * y + 100 * z)


def test_layers_of_surfaces(gpu: Driver) -> None:
    data = np.arange(2 * 2 * 3 * 4, dtype=np.uint8).reshape(2, 2, 3, 4)
    array = Array(gpu, (2, 2, 3), np.uint8, channels=4, flags=SURFACE | LAYERED).put(data)
    launch(gpu, "layers", 1, (3, 2), surface(gpu, array))
    got = array.get()
    np.testing.assert_array_equal(got[:, 0], data[:, 0])
    np.testing.assert_array_equal(got[:, 1], data[:, 0, :, ::-1])


def test_edges_of_surfaces(gpu: Driver) -> None:
    data = np.array([1, 2, 3, 4], np.float32)
    array = Array(gpu, (4,), np.float32, flags=SURFACE).put(data)
    out = gpu.zeros(16, np.float32)
    launch(gpu, "edges", 1, 8, out, surface(gpu, array), np.int32(4))
    assert out.get(np.float32).tolist() == [0, 0, 1, 2, 3, 4, 0, 0, 1, 1, 1, 2, 3, 4, 4, 4]
    assert array.get().tolist() == data.tolist()


@pytest.mark.parametrize(("x", "code"), [(16, Result.ILLEGAL_ADDRESS), (-4, Result.ILLEGAL_ADDRESS),
                                         (2, Result.MISALIGNED_ADDRESS)])  # fmt: skip
def test_a_write_outside_of_a_surface_traps(gpu: Driver, x: int, code: int) -> None:
    with gpu.throwaway_context():
        array = Array(gpu, (4,), np.float32, flags=SURFACE)
        with pytest.raises(CudaError) as error:
            launch(gpu, "outside", 1, 1, surface(gpu, array), np.int32(x))
    assert error.value.code == code


@pytest.mark.parametrize("name", ["tex_2d", "turn"])
def test_handles_that_mean_nothing(gpu: Driver, name: str) -> None:
    args: list[Any] = [np.uint64(2**40), np.uint64(2**40), np.int32(1)]
    with gpu.throwaway_context():
        if name == "tex_2d":
            args = [gpu.zeros(4, np.float32), args[1], gpu.zeros(4, np.float32), args[2]]
        with pytest.raises(CudaError) as error:
            launch(gpu, name, 1, 1, *args)
    assert error.value.code == Result.ILLEGAL_ADDRESS


def test_reductions_on_surfaces(gpu: Driver) -> None:
    """sured, which no CUDA C++ function makes: by bytes and by texels, and formatted stores."""
    array = Array(gpu, (2, 4), np.int32, flags=SURFACE).put(np.full(8, 5))
    ptx = kernel("""
        ld.param.u64 %l0, [surf];
        mov.u32 %r0, %tid.x;
        and.b32 %r1, %r0, 3;
        shl.b32 %r2, %r1, 2;
        mov.u32 %r3, 0; mov.u32 %r4, 1;
        sured.b.add.2d.s32.trap [%l0, {%r2, %r3}], %r0;
        sured.p.max.2d.s32.trap [%l0, {%r1, %r4}], %r0;
        suq.width.b32 %r5, [%l0];
        setp.eq.u32 %p0, %r5, 4;
        @!%p0 trap;
        """, ".param .u64 surf")  # fmt: skip
    gpu.run(ptx, 1, 32, [surface(gpu, array)])
    sums = [5 + sum(range(lane, 32, 4)) for lane in range(4)]
    assert array.get().tolist() == [sums, [28, 29, 30, 31]]
    bytes_ = Array(gpu, (4,), np.uint8, flags=SURFACE)
    ptx = kernel("""
        ld.param.u64 %l0, [surf];
        mov.u32 %r0, %tid.x;
        mul.lo.u32 %r1, %r0, 100;
        sust.p.1d.b32.trap [%l0, {%r0}], {%r1};
        """, ".param .u64 surf")  # fmt: skip
    gpu.run(ptx, 1, 4, [surface(gpu, bytes_)])
    assert bytes_.get().tolist() == [0, 100, 200, 255]


def test_queries(gpu: Driver) -> None:
    array = Array(gpu, (5, 6, 7), np.float32)
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        ld.param.u64 %l1, [tex];
        txq.width.b32 %r0, [%l1];
        txq.height.b32 %r1, [%l1];
        txq.depth.b32 %r2, [%l1];
        txq.num_mipmap_levels.b32 %r3, [%l1];
        st.global.v4.u32 [%l0], {%r0, %r1, %r2, %r3};
        """, ".param .u64 out, .param .u64 tex")  # fmt: skip
    out = gpu.zeros(4, np.uint32)
    gpu.run(ptx, 1, 1, [out, texture(gpu, array.resource())])
    assert out.get(np.uint32).tolist() == [7, 6, 5, 1]


# ---- descriptions


def test_descriptions_come_back(gpu: Driver) -> None:
    array = Array(gpu, (2, 2), np.float32)
    handle = texture(gpu, array.resource(), filter_mode=LINEAR, flags=NORMALIZED, highest=3)
    described = TextureDescriptor()
    gpu.call("cuTexObjectGetTextureDesc", ctypes.byref(described), ctypes.c_uint64(int(handle)))
    assert (described.filter, described.flags, described.highest) == (LINEAR, NORMALIZED, 3)
    resource = array.resource()
    resource.res.array = None
    gpu.call("cuTexObjectGetResourceDesc", ctypes.byref(resource), ctypes.c_uint64(int(handle)))
    assert resource.res.array == array.handle.value
    gpu.call("cuTexObjectDestroy", ctypes.c_uint64(int(handle)))
    assert gpu.lib.cuTexObjectDestroy(ctypes.c_uint64(int(handle))) == Result.INVALID_VALUE


def test_descriptions_that_make_no_sense(gpu: Driver) -> None:
    array = Array(gpu, (2, 2), np.float32)
    buffer = gpu.zeros(16, np.float32)
    cases: list[tuple[ResourceDescriptor, dict[str, Any]]] = [
        (linear_resource(buffer, np.float32, 1, 65), {}),  # more than there is
        (pitched_resource(buffer, np.float32, 4, 5, 16), {}),
        (pitched_resource(buffer, np.float32, 4, 2, 8), {}),  # rows that overlap
        (linear_resource(buffer, np.float32, 3, 48), {}),  # three channels
        (array.resource(), {"addressing": 4}),
        (array.resource(), {"filter_mode": 2}),
        (Mipmap(gpu, (4, 4), np.float32, 2).resource(), {}),  # levels without fractions of the size
    ]
    for resource, more in cases:
        with pytest.raises(CudaError) as error:
            texture(gpu, resource, **more)
        assert error.value.code == Result.INVALID_VALUE
    with pytest.raises(CudaError):
        surface(gpu, array)  # not made for it
