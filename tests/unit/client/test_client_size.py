# SPDX-License-Identifier: BSD-3-Clause
import pytest

from bfkernel.remote.client import Size


@pytest.mark.parametrize(
    ("text", "fraction", "memory_mib", "gpus", "name", "display"),
    [
        ("0.02", 0.02, None, 1, "gpu-0.02", "GPU 0.02"),
        ("1", 1.0, None, 1, "gpu-1", "GPU 1"),
        (".5", 0.5, None, 1, "gpu-0.5", "GPU 0.5"),
        ("0.5x2", 0.5, None, 2, "gpu-0.5x2", "GPU 0.5x2"),
        ("2048m", None, 2048, 1, "gpu-2048m", "GPU 2048m"),
        ("2GiB", None, 2048, 1, "gpu-2048m", "GPU 2048m"),
        ("512mx4", None, 512, 4, "gpu-512mx4", "GPU 512mx4"),
    ],
)
def test_a_size_and_its_names(text, fraction, memory_mib, gpus, name, display):
    size = Size.parse(text)
    assert (size.share.fraction, size.share.memory_mib, size.gpus) == (fraction, memory_mib, gpus)
    assert (size.kernel_name, size.display_name) == (name, display)
    assert Size.parse(str(size)) == size


@pytest.mark.parametrize("text", ["", "0", "1.5", "x2", "0.5x0", "0.5x99", "-1", "0.5y", "m", "0m"])
def test_what_is_no_size_is_said_in_one_sentence(text):
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        Size.parse(text)
