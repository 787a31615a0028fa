# SPDX-License-Identifier: BSD-3-Clause
"""Identity from a Hub: what it says counts, for how long, and what happens when it says nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hub_double import SCOPE, HubDouble, user

from bfkernel.remote.pool.auth import AuthenticationError, Authenticator, HubOptions, Principal, Role
from bfkernel.remote.pool.auth import hub as hub_module
from bfkernel.remote.pool.auth.hub import Hub
from bfkernel.remote.pool.auth.token_file import StaticTokens

pytestmark = pytest.mark.asyncio
ADA, BOB, STATIC = "ada-of-the-hub", "bob-of-the-hub", "static-0123456789abcdef"


class Setting:
    """A Hub, a pool's authenticator that asks it, and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.hub = HubDouble()
        self.hub.users = {ADA: user("ada", groups=["cs231n"]), BOB: user("bob")}
        options = HubOptions(self.hub.url, api_token="of-the-service")
        self.asker = Hub(options, clock=lambda: self.now)
        self.authenticator = Authenticator(StaticTokens({STATIC: Principal("ada")}), self.asker)

    async def refused(self, token: str, holding: str | None = None) -> AuthenticationError:
        with pytest.raises(AuthenticationError) as refused:
            await self.authenticator.identify(token, holding)
        assert not token or token not in str(refused.value), "the sentence goes to logs"
        return refused.value

    async def proves(self, token: str, lease: str) -> None:
        self.authenticator.holds(token, await self.authenticator.identify(token), lease)


@pytest_asyncio.fixture
async def setting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setting]:
    monkeypatch.setattr(hub_module, "_ANSWER_LIMIT_S", 1.0)
    setting = Setting()
    setting.hub.start()
    yield setting
    await setting.authenticator.close()
    await setting.hub.stop()


async def test_the_hub_says_who_somebody_is(setting: Setting) -> None:
    setting.hub.users["root"] = user("root", admin=True)
    assert await setting.authenticator.identify(ADA) == Principal("ada", Role.USER, frozenset({"cs231n"}))
    assert (await setting.authenticator.identify("root")).admin


async def test_a_static_token_is_not_told_to_the_hub(setting: Setting) -> None:
    assert await setting.authenticator.identify(STATIC) == Principal("ada")
    assert (await setting.refused("")).status == 401
    assert not setting.hub.asked


async def test_an_answer_holds_for_a_minute(setting: Setting) -> None:
    for _ in range(3):
        await setting.authenticator.identify(ADA)
    del setting.hub.users[ADA]
    setting.now += 59
    await setting.authenticator.identify(ADA)
    setting.now += 2
    assert (await setting.refused(ADA)).status == 401
    assert setting.hub.asked[ADA] == 2


async def test_a_refusal_holds_for_five_seconds(setting: Setting) -> None:
    await setting.refused("new")
    setting.hub.users["new"] = user("eve")
    setting.now += 4
    await setting.refused("new")
    setting.now += 2
    assert (await setting.authenticator.identify("new")).name == "eve"
    assert setting.hub.asked["new"] == 2


@pytest.mark.parametrize(
    ("scope", "enough"),
    [
        (SCOPE, True),
        ("access:services", True),
        ("access:services!service=other", False),
        ("access:services!service=bfkernel2", False),
        ("read:services!service=bfkernel", False),
        ("access:servers!server=x/", False),
    ],
)
async def test_the_scope_of_this_service_is_asked_for(setting: Setting, scope: str, enough: bool) -> None:
    setting.hub.users["of-eve"] = user("eve", scope)
    if enough:
        assert (await setting.authenticator.identify("of-eve")).name == "eve"
        return
    refusal = await setting.refused("of-eve")
    assert (refusal.status, refusal.code) == (403, "missing-scope")
    assert SCOPE in str(refusal)
    assert "server_token_scopes" in str(refusal)


async def test_a_model_without_scopes_is_refused(setting: Setting) -> None:
    del setting.hub.users[ADA]["scopes"]
    assert (await setting.refused(ADA)).code == "missing-scope"


async def test_a_service_is_no_user_whatever_its_name(setting: Setting) -> None:
    setting.hub.users["of-a-service"] = user("ada", kind="service")
    assert (await setting.refused("of-a-service")).status == 401


@pytest.mark.parametrize(
    "trouble",
    [
        500,
        502,
        302,
        404,
        204,
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"name": ""}',
        b'{"kind": "user"}',
        b'{"name": 1}',
    ],
)
async def test_what_is_no_hubs_answer_lets_nobody_in(setting: Setting, trouble: int | bytes) -> None:
    setting.hub.trouble = trouble
    refusal = await setting.refused(ADA)
    assert (refusal.status, refusal.code) == (503, "hub-unreachable")
    setting.hub.trouble = None
    setting.now += 3
    assert (await setting.authenticator.identify(ADA)).name == "ada"


async def test_a_hub_that_hangs_or_is_away_keeps_nobody_waiting(setting: Setting) -> None:
    setting.hub.trouble = "hang"
    began = time.monotonic()
    assert (await setting.refused(ADA)).code == "hub-unreachable"
    assert time.monotonic() - began < 10
    await setting.hub.stop()
    setting.now += 3
    assert (await setting.refused(ADA)).code == "hub-unreachable"


async def test_questions_about_one_token_at_the_same_time_are_one(setting: Setting) -> None:
    setting.hub.delay_s = 0.2
    found = await asyncio.gather(*(setting.authenticator.identify(t) for t in [ADA] * 50 + [BOB] * 50))
    assert [who.name for who in found] == ["ada"] * 50 + ["bob"] * 50
    assert setting.hub.asked == {ADA: 1, BOB: 1}


async def test_one_who_leaves_does_not_end_the_question_of_others(setting: Setting) -> None:
    setting.hub.delay_s = 0.2
    leaving, staying = (asyncio.create_task(setting.authenticator.identify(ADA)) for _ in range(2))
    await asyncio.sleep(0.05)
    leaving.cancel()
    assert (await staying).name == "ada"


async def test_guesses_drive_no_user_out_and_are_bounded(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setting.authenticator.identify(ADA)
    monkeypatch.setattr(setting.asker._bad, "_most", 10)
    for number in range(30):
        await setting.refused(f"guess-{number}")
    assert len(setting.asker._bad) == 10
    await setting.authenticator.identify(ADA)
    assert setting.hub.asked[ADA] == 1


@pytest.mark.parametrize("token", ["x" * 600, "a b", "tökén", "a\r\nX-Evil: 1", "a\0b"])
async def test_what_cannot_be_a_token_is_not_told_to_the_hub(setting: Setting, token: str) -> None:
    assert (await setting.refused(token)).status == 401
    assert not setting.hub.asked


async def test_while_the_hub_is_away_a_token_keeps_the_lease_that_it_has_proved(setting: Setting) -> None:
    await setting.proves(ADA, "adas")
    setting.hub.trouble = 503
    setting.now += 3600
    assert (await setting.authenticator.identify(ADA, holding="adas")).name == "ada"
    assert (await setting.refused(ADA)).code == "hub-unreachable"
    assert (await setting.refused(ADA, holding="another")).code == "hub-unreachable"
    assert (await setting.refused(BOB, holding="adas")).code == "hub-unreachable"


async def test_a_withdrawn_token_keeps_nothing_even_when_the_hub_goes_away(setting: Setting) -> None:
    await setting.proves(ADA, "adas")
    del setting.hub.users[ADA]
    setting.now += 61
    assert (await setting.refused(ADA, holding="adas")).status == 401
    setting.hub.trouble = 503
    setting.now += 61
    assert (await setting.refused(ADA, holding="adas")).code == "hub-unreachable"


async def test_a_token_that_lost_its_scope_keeps_nothing(setting: Setting) -> None:
    await setting.proves(ADA, "adas")
    setting.hub.users[ADA] = user("ada", "access:services!service=other")
    setting.now += 61
    assert (await setting.refused(ADA, holding="adas")).code == "missing-scope"


@pytest.mark.parametrize(
    ("model", "warning"),
    [
        (user("bfkernel", kind="service"), ""),
        (user("gpus", kind="service"), "hub-service-other"),
        (user("bfkernel"), "hub-service-other"),
        (None, "hub-service-unknown"),
    ],
)
async def test_a_pool_that_the_hub_does_not_know_says_so_in_its_log(
    setting: Setting, caplog: pytest.LogCaptureFixture, model: dict[str, Any] | None, warning: str
) -> None:
    if model:
        setting.hub.users["of-the-service"] = model
    with caplog.at_level(logging.WARNING):
        await setting.asker.check_service()
    assert [record.getMessage().split()[0] for record in caplog.records if record.name == "pool.hub"] == (
        [warning] if warning else []
    )
    assert "of-the-service" not in caplog.text
