# SPDX-License-Identifier: BSD-3-Clause
"""What the Hub calls around a server's life."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from jupyterhub.spawner import Spawner
from jupyterhub.utils import maybe_future
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from bfkernel_hub.group_policy import GroupPolicy
from bfkernel_hub.metrics import STOP_NOTICES, Status
from bfkernel_hub.refusal import refuse
from bfkernel_hub.settings import BfkernelHub
from bfkernel_hub.sizes import Offer, offers

#: Read in the single-user server by bfkernel's ``SizedKernelSpecManager``.
SIZES_VARIABLE = "BFKERNEL_SIZES"
POOL_VARIABLE = "BFKERNEL_POOL_URL"
MANAGER = "bfkernel.provisioner.hub_kernels.SizedKernelSpecManager"
_OPTION = "--ServerApp.kernel_spec_manager_class"
_NOTICE_LIMIT_S = 3.0

Hook = Callable[[Spawner], Any]


def chained(first: Hook | None, then: Hook) -> Callable[[Spawner], Awaitable[None]]:
    """Return a hook that calls the admin's own first; what that raises ends the start, as it did before."""

    async def hook(spawner: Spawner) -> None:
        if first is not None:
            await maybe_future(first(spawner))
        await maybe_future(then(spawner))

    return hook


def before_spawn(settings: BfkernelHub) -> Hook:
    """Return the hook that tells a server its sizes and its pool. The Hub calls it before each start."""

    def hook(spawner: Spawner) -> None:
        found = _offers(spawner, settings)
        if settings.only_with_sizes and not found:
            msg = "No course of yours has a GPU size: ask your course's staff to add you to its group."
            refuse(msg, reason="bfkernel-no-size")
        # A dictionary of its own: the configured one is shared by all servers.
        spawner.environment = {
            POOL_VARIABLE: settings.address,
            **spawner.environment,
            # Encoded: KubeSpawner takes braces, Kubernetes dollars for something to be expanded.
            SIZES_VARIABLE: quote(json.dumps([asdict(offer) for offer in found])),
        }
        if settings.kernelspecs and not any(arg.startswith(_OPTION) for arg in spawner.args):
            spawner.args = [*spawner.args, f"{_OPTION}={MANAGER}"]

    return hook


def _offers(spawner: Spawner, settings: BfkernelHub) -> list[Offer]:
    policies = {}
    for group in spawner.user.orm_user.groups:
        try:
            policies[group.name] = GroupPolicy.read(group.properties or {})
        except ValueError as error:
            spawner.log.warning("bfkernel: group %s: %s", group.name, error)
            policies[group.name] = GroupPolicy()
        for fault in policies[group.name].faults:
            spawner.log.warning("bfkernel: group %s: %s", group.name, fault)
    return offers(settings.entries, policies)


class StopNotice:
    """The hook that tells the service of a server's end, so that the user's shares return at once."""

    def __init__(self, service_url: str, secret: str) -> None:
        self._url = service_url
        self._secret = secret

    async def __call__(self, spawner: Spawner) -> None:
        """Tell it, unless another server of the user's runs on. The Hub calls this after each stop.

        The share returns by the lease's TTL when the notice is lost, so its failure is only logged.
        """
        user = spawner.user
        if any(other is not spawner and other.active for other in user.spawners.values()):
            return
        request = HTTPRequest(
            f"{self._url}/stopped",
            method="POST",
            headers={"Authorization": f"Bearer {self._secret}"},
            body=json.dumps({"user": user.name}),
            connect_timeout=_NOTICE_LIMIT_S,
            request_timeout=_NOTICE_LIMIT_S,
        )
        status = Status.SUCCESS
        try:
            await AsyncHTTPClient().fetch(request)
        except Exception as error:  # noqa: BLE001 (nothing may keep the Hub from having stopped a server)
            status = Status.FAILURE
            spawner.log.warning("bfkernel: shares of %s return by their TTL only: %s", user.name, error)
        STOP_NOTICES.labels(status.value).inc()
