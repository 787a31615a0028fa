# SPDX-License-Identifier: BSD-3-Clause
"""Sizes as texts. What they mean is known where kernels start: there bfkernel itself reads them.

The Hub's environment need not have bfkernel, so this says by itself which texts ``Size.parse`` takes there.
"""

from __future__ import annotations

import re
from decimal import Decimal

_MIB = 1 << 20
_BYTES: dict[str, int] = {
    "b": 1,
    **{unit + end: 1 << 10 * n for n, unit in enumerate("kmgt", 1) for end in ("", "ib")},
    **{f"{unit}b": 1000**n for n, unit in enumerate("kmgt", 1)},
}
_MOST_GPUS = 16
_SIZE = re.compile(
    r"((?P<fraction>\d*\.?\d+)|(?P<amount>\d{1,18}(\.\d{1,9})?)(?P<unit>" + "|".join(_BYTES) + r"))"
    r"(x(?P<gpus>\d{1,4}))?"
)


def check_size(text: object) -> str:
    """Return a size if it may be one.

    Raises:
        ValueError: it is none.
    """
    size = text.strip().lower() if isinstance(text, str) else ""
    match = _SIZE.fullmatch(size)
    if match is None or not _can_be_had(match):
        msg = (
            f"{text!r} is no size: write a text such as '0.02' (above 0 and at most 1), '0.5x2' (of two GPUs,"
            f" at most {_MOST_GPUS}) or '2048m' (MiB)."
        )
        raise ValueError(msg)
    return size


def _can_be_had(size: re.Match[str]) -> bool:
    if not 1 <= int(size["gpus"] or 1) <= _MOST_GPUS:
        return False
    if size["unit"]:
        return Decimal(size["amount"]) * _BYTES[size["unit"]] >= _MIB
    return 0 < float(size["fraction"]) <= 1
