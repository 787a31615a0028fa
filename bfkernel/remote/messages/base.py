# SPDX-License-Identifier: BSD-3-Clause
"""What all messages are made of: kinds of messages, and kinds of fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

MAX_WAIT_S = 60.0
# PostgreSQL stores no NUL characters.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Text = Annotated[str, Field(max_length=500, pattern=_NO_NUL)]
Mib = Annotated[int, Field(ge=1, le=1 << 40)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Moment = Annotated[float, Field(ge=0, le=1e11)]


def _at_most_a_minute(seconds: float) -> float:
    return min(seconds, MAX_WAIT_S)


Wait = Annotated[float, Field(ge=0), AfterValidator(_at_most_a_minute)]


class Message(BaseModel):
    """An answer, or what a newer version of ours may send: fields that we do not know are passed over."""

    model_config = ConfigDict(strict=True)


class Asked(BaseModel):
    """What is asked of us. A field that we do not know is an error: it would be lost silently."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Query(BaseModel):
    """Parameters of a query, read from text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class WaitQuery(Query):
    """Wait for news: answer when the lease's revision is not ``since``, or after ``wait_s`` seconds."""

    since: int | None = Field(default=None, ge=0, lt=1 << 62)
    wait_s: Wait = 0.0


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Return where the first fault of a message is (``quotas.default.gpus``, or "") and what it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return where, "is not known here"
    return where, first["msg"].removeprefix("Value error, ").rstrip(".")
