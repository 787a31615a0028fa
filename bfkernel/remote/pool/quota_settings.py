# SPDX-License-Identifier: BSD-3-Clause
"""Quotas as people write them, in the configuration and over HTTP, and as the core has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from pydantic import ValidationError

from bfkernel.remote.limits import in_numbers
from bfkernel.remote.messages import QuotaLimits, QuotasMessage, first_fault
from bfkernel.remote.pool.core import UNLIMITED, Quota, Quotas

KINDS = ("default", "groups", "totals", "users")


class QuotaName(NamedTuple):
    """Which quota: its kind, one of :data:`KINDS`, and its group's or user's name ("" for the default)."""

    kind: str
    name: str


def read_quotas(settings: Mapping[str, Any]) -> Quotas:
    """Read a configuration's dictionary of quotas; limits may be in words (``2h``, ``8GiB``).

    Raises:
        ValueError: it is malformed; the message names the place.
    """
    try:
        message = QuotasMessage.model_validate(_in_numbers(settings), strict=False)
    except ValidationError as error:
        where, fault = first_fault(error)
        msg = f"{where}: {fault}."
        raise ValueError(msg) from error
    kinds = {kind: {name: quota_of(q) for name, q in getattr(message, kind).items()} for kind in KINDS[1:]}
    return Quotas(quota_of(message.default), **kinds)


def _in_numbers(settings: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(settings)
    for kind in KINDS:
        named = read.get(kind)
        if not isinstance(named, Mapping):
            continue  # what it is instead, pydantic says
        whole = {"": named} if kind == "default" else named
        values = {name: in_numbers(q) if isinstance(q, Mapping) else q for name, q in whole.items()}
        read[kind] = values[""] if kind == "default" else values
    return read


def quota_of(limits: QuotaLimits) -> Quota:
    """Return limits as the core has them."""
    values = {name: getattr(limits, name) for name in QuotaLimits.model_fields}
    return Quota(**{name: UNLIMITED if value == "unlimited" else value for name, value in values.items()})


def limits_of(quota: Quota) -> QuotaLimits:
    """Return limits as people see them."""
    values = {f.name: getattr(quota, f.name) for f in fields(Quota)}
    shown = {name: "unlimited" if value == UNLIMITED else value for name, value in values.items()}
    return QuotaLimits.model_validate(shown, strict=False)


def quotas_message(quotas: Quotas) -> QuotasMessage:
    """Return all quotas as people see them."""
    kinds = {kind: {name: limits_of(q) for name, q in getattr(quotas, kind).items()} for kind in KINDS[1:]}
    return QuotasMessage(default=limits_of(quotas.default), **kinds)


def overridden(quotas: Quotas, changes: Mapping[QuotaName, Quota]) -> Quotas:
    """Return ``quotas`` with those of ``changes`` in their places, each as a whole."""
    kinds: dict[str, dict[str, Quota]] = {kind: dict(getattr(quotas, kind)) for kind in KINDS[1:]}
    default = quotas.default
    for (kind, name), quota in changes.items():
        if kind == "default":
            default = quota
        else:
            kinds[kind][name] = quota
    return Quotas(default, **kinds)
