# SPDX-License-Identifier: BSD-3-Clause
"""Filters of a request, as people write them: ``gpu=*A100*``, ``cuda>=12.4``, ``memory>=40GiB``.

A request with filters is served only by GPUs that match all of them. They go over the wire and into the
database as the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from bfkernel.remote.units import parse_size_mib

# Anybody's request is read with it: it takes time in proportion to the text, whatever the text is.
_FORM = re.compile(r"([a-z]+)\s*(<=|>=|!=|=|<|>)\s*(\S.*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
MAX_FILTERS = 16
#: characters of one filter
MAX_FILTER_LENGTH = 200


@dataclass(frozen=True)
class CardFacts:
    """What filters ask of a GPU: its server's name, its model, versions, its memory."""

    server: str
    gpu: str
    driver: str
    cuda: str
    memory_mib: int


@dataclass(frozen=True)
class Filter:
    """One condition, read from ``text``. Build it with :meth:`parse`."""

    text: str
    matches: Callable[[CardFacts], bool]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Filter:
        """Read ``KEY OP VALUE``.

        Keys are ``server`` and ``gpu`` (names; ``*`` and ``?`` stand for any characters, case does not
        matter), ``driver`` and ``cuda`` (versions) and ``memory`` (of the whole card; MiB without a unit).

        Raises:
            ValueError: the text is no filter.
        """
        if len(text) > MAX_FILTER_LENGTH:
            msg = f"A filter has at most {MAX_FILTER_LENGTH} characters; this one has {len(text)}."
            raise ValueError(msg)
        form = _FORM.fullmatch(text.strip())
        if form is None or form[1] not in _KEYS:
            msg = (
                f"'{text}' is no filter: write one of {', '.join(_KEYS)}, then one of "
                f"{' '.join(_COMPARE)}, then a value, such as gpu=*A100* or cuda>=12.4."
            )
            raise ValueError(msg)
        key, op, value = form.groups()
        return Filter(f"{key}{op}{value}", _KEYS[key](key, op, value))


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Read several filters, all of which must match. Raises ValueError like :meth:`Filter.parse`."""
    return tuple(sorted((Filter.parse(text) for text in texts), key=lambda f: f.text))


_Condition = Callable[[CardFacts], bool]


def _name(key: str, op: str, value: str) -> _Condition:
    if op not in ("=", "!="):
        msg = f"'{key}{op}{value}': {key} is a name; compare it with = or !=."
        raise ValueError(msg)
    pattern, wanted = value.casefold(), op == "="
    return lambda facts: fnmatchcase(str(getattr(facts, key)).casefold(), pattern) is wanted


def _version(key: str, op: str, value: str) -> _Condition:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,5}", value):
        msg = f"'{key}{op}{value}': {key} is a version, such as 12.4."
        raise ValueError(msg)
    wanted, compare = _numbers(value), _COMPARE[op]

    def matches(facts: CardFacts) -> bool:
        # As many parts as were written count: 580.65.06 matches driver=580.
        found = _numbers(str(getattr(facts, key)))[: len(wanted)]
        return bool(found) and compare(found, wanted[: len(found)])

    return matches


def _memory(_key: str, op: str, value: str) -> _Condition:
    wanted, compare = parse_size_mib(value), _COMPARE[op]
    return lambda facts: compare(facts.memory_mib, wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


_KEYS: dict[str, Callable[[str, str, str], _Condition]] = {
    "server": _name,
    "gpu": _name,
    "driver": _version,
    "cuda": _version,
    "memory": _memory,
}
