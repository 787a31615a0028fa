# SPDX-License-Identifier: BSD-3-Clause
"""cuda.core's graph builder: launches recorded once and run again and again."""

from __future__ import annotations

import numpy as np
from cuda.core import Device, LaunchConfig, LegacyPinnedMemoryResource, Program, ProgramOptions, launch

SOURCE = 'extern "C" __global__ void add(int *data, int value) { data[threadIdx.x] += value; }'

device = Device(0)
device.set_current()
code = Program(SOURCE, code_type="c++", options=ProgramOptions(arch="compute_75")).compile("ptx")
kernel = code.get_kernel("add")
stream = device.create_stream()
data = device.memory_resource.allocate(256, stream=stream)
data.fill(0, stream=stream)

builder = stream.create_graph_builder().begin_building()
for value in (1, 2, 3):
    launch(builder, LaunchConfig(grid=1, block=64), kernel, data, np.int32(value))
graph = builder.end_building().complete()
graph.upload(stream)
for _ in range(10):
    graph.launch(stream)

back = LegacyPinnedMemoryResource().allocate(256)
data.copy_to(back, stream=stream)
stream.sync()
assert (np.from_dlpack(back).view(np.int32) == 60).all()
print("ok")
