# SPDX-License-Identifier: BSD-3-Clause
"""What a handler's method takes and answers, said once: for the method itself and for the OpenAPI page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

Method = TypeVar("Method", bound=Callable[..., Any])
_ATTRIBUTE = "operation"


@dataclass(frozen=True)
class Operation:
    """A method of a path.

    ``request`` is the body, ``query`` the query's parameters, ``answer`` the JSON body of an answer of
    ``status``, ``media_type`` the type of another body that it may have. ``problems`` are the statuses of
    errors that are its own. ``anybody``: no token is asked for.
    """

    request: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    media_type: str | None = None
    problems: tuple[int, ...] = ()
    anybody: bool = False


def operation(**facts: Any) -> Callable[[Method], Method]:
    """Say what a handler's method takes and answers; the arguments are :class:`Operation`'s."""

    def note(method: Method) -> Method:
        setattr(method, _ATTRIBUTE, Operation(**facts))
        return method

    return note


def operation_of(method: Callable[..., Any] | None) -> Operation | None:
    """Return what was said of a handler's method, or None."""
    return getattr(method, _ATTRIBUTE, None)
