# SPDX-License-Identifier: BSD-3-Clause
"""Sizes as texts. What they mean is known where kernels start: there bfkernel itself reads them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"\d*\.?\d+[a-z]*(x\d{1,4})?")


def check_size(text: object) -> str:
    """Return a size if it may be one.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or not _SIZE.fullmatch(text.strip().lower()):
        msg = f"{text!r} is no size: write a text such as '0.02', '0.5x2' (of two GPUs) or '2048m' (MiB)."
        raise ValueError(msg)
    return text.strip().lower()
