# SPDX-License-Identifier: BSD-3-Clause
"""Recording a training step of PyTorch: ``python -m benchmarks.remoting.recording``.

It needs the environment that ``make test-frameworks`` makes.

PyTorch does not compute on an emulated GPU, so it is given one that says that it computes and does not:
``driver.c`` is softgpu, but that its launches succeed, and that it says it were a card of compute capability
8.0. The calls are PyTorch's, cuBLAS' and cuDNN's own; the numbers that come back are zeros, on which no call
of a plain training step depends.
"""
