# SPDX-License-Identifier: BSD-3-Clause
"""The Hub's service: the page, the watcher, and the pool where the Hub runs one."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from bfkernel_hub.configuration import SECRET_VARIABLE, SETTINGS_VARIABLE
from bfkernel_hub.http_json import JsonClient
from bfkernel_hub.hub_api import HubApi
from bfkernel_hub.looks import Looks
from bfkernel_hub.managed_pool import ManagedPool
from bfkernel_hub.metrics import ServiceMetrics
from bfkernel_hub.page import application
from bfkernel_hub.pool_api import PoolApi
from bfkernel_hub.settings import BfkernelHub
from bfkernel_hub.watch import Watcher

log = logging.getLogger("bfkernel_hub")

# The service of a Hub that was killed looks for its Hub once a second before it lets go of the port.
_PORT_LIMIT_S = 15.0
_LOG_FORMAT = "[%(levelname)1.1s %(asctime)s.%(msecs).03d %(name)s %(module)s:%(lineno)d] %(message)s"


def main() -> int:
    """Run until the Hub stops this service, or is gone itself; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, datefmt="%Y-%m-%d %H:%M:%S")
    try:
        settings = BfkernelHub.loads(os.environ.pop(SETTINGS_VARIABLE))
        secret = os.environ.pop(SECRET_VARIABLE)
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        managed = None if settings.pool_url else ManagedPool(settings)
        asyncio.run(_serve(settings, managed, _pool_token(settings, managed), secret))
    except KeyError as error:
        log.error("%s is not set: the Hub starts this service, where configure(c) is called.", error)  # noqa: TRY400
        return 64
    except OSError as error:
        log.error("%s", error)  # noqa: TRY400
        return 1
    return 0


def _pool_token(settings: BfkernelHub, managed: ManagedPool | None) -> str:
    if managed is not None:
        return managed.token
    return Path(settings.pool_token_file).read_text(encoding="utf-8").strip()


async def _serve(settings: BfkernelHub, managed: ManagedPool | None, token: str, secret: str) -> None:
    hub = HubApi(JsonClient(os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"], "token"))
    metrics = ServiceMetrics()
    watcher = Watcher(settings, hub, PoolApi(settings.address, token), metrics)
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    looks = Looks(_hub_prefix(), prefix, settings.service_name)
    pages = application(
        settings,
        watcher,
        metrics,
        prefix=prefix,
        secret=secret,
        looks=looks,
        cookie_secret=secrets.token_bytes(32),
    )
    HTTPServer(pages).add_sockets(await _sockets(settings.service_port, settings.service_host))
    work = [_until_hub_is_gone(), watcher.run()]
    await _until_first_ends(work if managed is None else [*work, managed.run()])


async def _until_first_ends(work: list[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.ensure_future(part) for part in work]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tasks[0].cancel)
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        if not task.cancelled():
            task.result()


async def _until_hub_is_gone() -> None:
    hub = os.getppid()
    while os.getppid() == hub:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(1.0)
    log.info("the Hub is gone")


async def _sockets(port: int, host: str) -> list[Any]:
    give_up = asyncio.get_running_loop().time() + _PORT_LIMIT_S
    while True:
        try:
            return bind_sockets(port, host)
        except OSError:
            if asyncio.get_running_loop().time() > give_up:
                raise
        await asyncio.sleep(0.5)


def _hub_prefix() -> str:
    return urlsplit(os.environ["JUPYTERHUB_API_URL"]).path.removesuffix("api").rstrip("/") + "/"
