# SPDX-License-Identifier: BSD-3-Clause
"""The property ``bfkernel`` of a Hub group: what a course may have, as the Hub's admin page edits it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bfkernel_hub.size_text import check_size

PROPERTY = "bfkernel"


@dataclass(frozen=True)
class GroupPolicy:
    """A group's own word: ``limits`` of each member, ``total`` of all together, sizes (None: none said).

    ``faults`` are sentences on the sizes that were passed over.
    """

    limits: Mapping[str, Any] = field(default_factory=dict)
    total: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[str, ...] | None = None
    course: str = ""
    faults: tuple[str, ...] = ()

    @classmethod
    def read(cls, properties: Mapping[str, Any]) -> GroupPolicy:
        """Read a group's properties.

        ``{"bfkernel": {"gpus": 0.1, "leases": 2, "total": {"gpus": 4}, "sizes": ["0.02"], "course": "CS"}}``;
        the admin page's fields hold text, so the value may be that object as JSON text too.
        Sizes are what a launcher shows, so a mistyped one is no reason to pass over the limits.

        Raises:
            ValueError: malformed; the message says what.
        """
        value = properties.get(PROPERTY, {})
        rest = dict(_object(value, '{"gpus": 0.1}'))
        total = _object(rest.pop("total", {}), '{"total": {"gpus": 4}}')
        sizes, course = rest.pop("sizes", None), rest.pop("course", "")
        checked, faults = _sizes(sizes)
        return cls(rest, total, checked, str(course), faults)


def _sizes(said: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the sizes that can be read, and what is wrong with the others; None: the configuration's."""
    if said is None:
        return None, ()
    if not isinstance(said, list):
        return None, (str(_malformed('{"sizes": ["0.02"]}')),)
    read, faults = [], []
    for size in said:
        try:
            read.append(check_size(size))
        except ValueError as error:
            faults.append(str(error))
    return (None if faults and not read else tuple(read)), tuple(faults)


def _object(value: Any, example: str) -> Mapping[str, Any]:
    try:
        found = json.loads(value or "{}") if isinstance(value, str) else value
    except ValueError:
        raise _malformed(example) from None
    if not isinstance(found, dict):
        raise _malformed(example)
    return found


def _malformed(example: str) -> ValueError:
    msg = f"the property {PROPERTY} is malformed: write it as in {example}."
    return ValueError(msg)
