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
    """A group's own word: ``limits`` of each member, ``total`` of all together, sizes (None: none said)."""

    limits: Mapping[str, Any] = field(default_factory=dict)
    total: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[str, ...] | None = None
    course: str = ""

    @classmethod
    def read(cls, properties: Mapping[str, Any]) -> GroupPolicy:
        """Read a group's properties.

        ``{"bfkernel": {"gpus": 0.1, "leases": 2, "total": {"gpus": 4}, "sizes": ["0.02"], "course": "CS"}}``;
        the admin page's fields hold text, so the value may be that object as JSON text too.

        Raises:
            ValueError: malformed; the message says what.
        """
        value = properties.get(PROPERTY, {})
        rest = dict(_object(value, '{"gpus": 0.1}'))
        total = _object(rest.pop("total", {}), '{"total": {"gpus": 4}}')
        sizes, course = rest.pop("sizes", None), rest.pop("course", "")
        if not isinstance(sizes, list | None):
            example = '{"sizes": ["0.02"]}'
            raise _malformed(example)
        checked = None if sizes is None else tuple(check_size(size) for size in sizes)
        return cls(rest, total, checked, str(course))


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
