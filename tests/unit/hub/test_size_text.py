# SPDX-License-Identifier: BSD-3-Clause
"""The Hub's plug-in takes the sizes that bfkernel takes where kernels start, without having bfkernel."""

from __future__ import annotations

from itertools import product

import pytest

pytest.importorskip("bfkernel_hub", reason="hub_plugin is not installed here")
from bfkernel_hub.size_text import check_size

from bfkernel.remote.client.size import Size
from bfkernel.remote.records import MAX_GPUS_PER_LEASE
from bfkernel.remote.units import _BYTES

NUMBERS = [
    "0",
    "0.0",
    "0.02",
    ".5",
    "1",
    "1.0",
    "1.5",
    "2",
    "1.",
    "-1",
    "1e-2",
    "2048",
    "0.0000000001",
    "9" * 19,
]
UNITS = [*_BYTES, "x", "foo", "ki", " m", "M", "GiB"]
GPUS = ["", "x0", "x1", "x2", f"x{MAX_GPUS_PER_LEASE}", f"x{MAX_GPUS_PER_LEASE + 1}", "x", "x2x2", "x99999"]


def taken(read, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_is_a_size_for_the_hub_if_it_is_one_for_a_kernel(unit):
    texts = ["", " 0.5 ", *(number + unit + gpus for number, gpus in product(NUMBERS, GPUS))]
    assert [text for text in texts if taken(check_size, text) != taken(Size.parse, text)] == []


@pytest.mark.parametrize("text", ["2", "1.5", "0", "0.5x0", "0.1x32", "2048foo"])
def test_what_no_kernel_could_have_is_refused_with_examples(text):
    with pytest.raises(ValueError, match=f"'{text}' is no size: write a text such as '0.02'"):
        check_size(text)
