# SPDX-License-Identifier: BSD-3-Clause
"""Who may look at the dashboard, and what no other site can make its buttons do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dashboard_visitor import Campus, Visitor, goes_to, token_of, write_tokens
from traitlets.config import Config

pytestmark = pytest.mark.asyncio
PAGES = ("/", "/?part=live", "/admin", "/admin?part=live", "/admin/quota?kind=default", "/admin/usage.csv")
ACTIONS = ("/actions/release", "/actions/revoke", "/actions/server", "/actions/quota", "/logout")
COOKIE = "bfkernel-session"


@pytest_asyncio.fixture
async def campus(tmp_path: Path) -> Any:
    campus = await Campus.started(
        tmp_path / "state", write_tokens(tmp_path / "tokens", "ada", "bob", "root", "gpu1")
    )
    yield campus
    await campus.stop()


@pytest_asyncio.fixture
async def open_pool(tmp_path: Path) -> Any:
    campus = await Campus.started(tmp_path / "state")
    yield campus
    await campus.stop()


async def test_who_has_not_signed_in_is_sent_to_do_so_and_sees_and_does_nothing(campus: Campus) -> None:
    await campus.report()
    lease = await campus.ask("ada")
    stranger = campus.visitor()
    for path in (*PAGES, "/dashboard/events"):
        assert goes_to(await stranger.get(path)) == "/login"
    for path in ACTIONS:
        fields = {"lease": lease["id"], "server": "gpu1", "do": "cordon", "kind": "default"}
        assert goes_to(await stranger.post(path, fields)) == "/login"
    assert await campus.states() == {lease["id"]: "granted"}
    assert await campus.servers() == {"gpu1": "ready"}


async def test_a_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(campus: Campus) -> None:
    visitor = campus.visitor()
    answer = await visitor.sign_in("ada")
    assert goes_to(answer) == "/"
    cookie = answer.headers["set-cookie"]
    assert token_of("ada") not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie.split("; ")
    page = await visitor.page("/")
    assert "ada" in page.text
    assert token_of("ada") not in page.source


async def test_behind_tls_the_cookie_is_for_tls_alone(campus: Campus) -> None:
    visitor = campus.visitor()
    fields = {**(await visitor.page("/login")).form("/login"), "token": token_of("ada")}
    answer = await visitor.post("/login", fields, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("token", ["", "ada", token_of("eve"), token_of("ada") + "x", "x" * 9000, "ä<b>"])
async def test_a_wrong_token_gets_a_sentence_and_no_cookie(campus: Campus, token: str) -> None:
    answer = await campus.visitor().send("/login", "/login", {}, token=token)
    assert answer.status_code == 401
    assert "no valid token" in answer.text
    assert "set-cookie" not in answer.headers
    assert "<b>" not in answer.text


async def test_an_agents_token_opens_no_session(campus: Campus) -> None:
    answer = await campus.visitor().sign_in("gpu1")
    assert answer.status_code == 403
    assert "A token of role agent is not for this." in answer.text
    assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session(campus: Campus) -> None:
    visitor = await campus.signed_in("ada")
    assert goes_to(await visitor.send("/", "/logout", {})) == "/login"
    assert COOKIE not in visitor.http.cookies
    assert goes_to(await visitor.get("/")) == "/login"


async def test_a_session_is_good_at_every_replica_and_ends_with_its_token(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens", "ada", "root")
    first = await Campus.started(tmp_path / "state", tokens)
    cookie = (await first.signed_in("ada")).http.cookies[COOKIE]
    await first.stop()
    for users, welcome in ((("ada", "root"), True), (("root",), False)):
        again = await Campus.started(tmp_path / "state", write_tokens(tokens, *users))
        visitor = again.visitor()
        visitor.http.cookies.set(COOKIE, cookie)
        assert ((await visitor.get("/")).status_code == 200) is welcome
        await again.stop()


async def test_the_api_takes_no_cookie(campus: Campus) -> None:
    visitor = await campus.signed_in("ada")
    assert (await visitor.get("/api/v1/leases")).status_code == 401
    assert (await visitor.http.post("/api/v1/leases", json={"fraction": 0.5})).status_code == 401


async def test_users_see_no_admin_page_and_press_no_admin_button(campus: Campus) -> None:
    await campus.report()
    lease = await campus.ask("ada")
    bob = await campus.signed_in("bob")
    front = await bob.page("/")
    assert not [link for link in front.all("a") if link["href"].startswith("/admin")]
    for path in PAGES[2:]:
        assert (await bob.get(path)).status_code == 403
    form = front.form("/logout")["form"]
    fields = {
        "form": form,
        "lease": lease["id"],
        "server": "gpu1",
        "do": "cordon",
        "kind": "default",
        "name": "",
    }
    for path in ACTIONS[1:-1]:
        assert (await bob.post(path, fields)).status_code == 403
    assert (await bob.post("/actions/release", fields)).status_code == 404
    root = await campus.signed_in("root")
    mine = {"form": (await root.page("/")).form("/logout")["form"], "lease": lease["id"]}
    assert (await root.post("/actions/release", mine)).status_code == 403
    assert await campus.states() == {lease["id"]: "granted"}
    assert await campus.servers() == {"gpu1": "ready"}


async def test_a_form_must_be_one_that_was_shown_to_its_sender(campus: Campus) -> None:
    await campus.report()
    lease = await campus.ask("ada")
    ada, bob = await campus.signed_in("ada"), await campus.signed_in("bob")
    nobodys = (await campus.visitor().page("/login")).form("/login")["form"]
    bobs = (await bob.page("/")).form("/logout")["form"]
    for form in ("", "x", nobodys, bobs):
        answer = await ada.post("/actions/release", {"lease": lease["id"], "form": form})
        assert answer.status_code == 403
        assert "load the page anew" in answer.text
    assert (await ada.post("/logout", {})).status_code == 403
    assert (await campus.visitor().post("/login", {"token": token_of("ada")})).status_code == 403
    assert await campus.states() == {lease["id"]: "granted"}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_another_sites_form_does_nothing(campus: Campus, headers: dict[str, str]) -> None:
    await campus.report()
    lease = await campus.ask("ada")
    ada = await campus.signed_in("ada")
    fields = (await ada.page("/")).form("/actions/release")
    assert (await ada.post("/actions/release", fields, **headers)).status_code == 403
    login = {**(await ada.page("/login")).form("/login"), "token": token_of("bob")}
    answer = await ada.post("/login", login, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert await campus.states() == {lease["id"]: "granted"}


async def test_an_open_pool_shows_itself_to_its_own_machine_only(open_pool: Campus) -> None:
    visitor = open_pool.visitor()
    page = await visitor.page("/admin")
    assert "local" in page.text
    assert not [f for f in page.forms if f["action"] == "/logout"]
    assert goes_to(await visitor.get("/login")) == "/"
    answer = await visitor.get("/", Host="evil.example")
    assert answer.status_code == 403
    assert "programs of its own machine only" in answer.text


async def test_only_the_pool_puts_news_on_a_page(campus: Campus) -> None:
    await campus.report()
    await campus.ask("ada")
    ada = await campus.signed_in("ada")
    assert "Send your token" not in (await ada.page("/?news=Send+your+token")).text
    answer = await ada.send("/", "/actions/release", {})
    assert goes_to(answer) == "/"
    assert "GPU 0.5 was released." in (await ada.page(answer.headers["location"])).text


async def assert_guarded(visitor: Visitor, path: str, status: int) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == status, path
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert (policy["script-src"], policy["style-src"]) == ("'self'", "'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_answer_bounds_what_a_page_can_do(campus: Campus) -> None:
    ada = await campus.signed_in("ada")
    for path, status in (("/", 200), ("/login", 200), ("/admin", 403), ("/dashboard/static/live.js", 200)):
        await assert_guarded(ada, path, status)
    assert (await ada.get("/dashboard/static/../pages.py")).status_code == 404
    assert (await ada.get("/")).headers["cache-control"] == "no-store"


async def test_events_come_to_who_has_signed_in(campus: Campus) -> None:
    ada = await campus.signed_in("ada")
    async with ada.http.stream("GET", "/dashboard/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: changed"


async def test_what_a_script_fetches_shows_a_form_of_its_own(campus: Campus) -> None:
    ada = await campus.signed_in("ada")
    front = await ada.page("/")
    (part,) = [facts for facts in front.all("div") if "data-live" in facts]
    fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    for path in ("/", "/?part=live", "/dashboard/events"):
        assert (await ada.get(path, **fetched)).status_code == 403
    assert (await ada.get(part["data-live"], **fetched)).status_code == 200
    async with ada.http.stream("GET", part["data-events"], headers=fetched) as events:
        assert events.status_code == 200


async def test_a_proxy_that_knows_who_looks_says_so_and_nobody_signs_in_or_out(campus: Campus) -> None:
    visitor = campus.visitor()
    visitor.http.headers["Authorization"] = f"Bearer {token_of('root')}"
    page = await visitor.page("/admin")
    assert "root admin" in " ".join(page.text.split())
    assert "/logout" not in [form["action"] for form in page.forms]
    refused = await visitor.get("/", Authorization="Bearer nobodys-token-0123456789")
    assert refused.status_code == 401
    assert "sign in" not in refused.text


async def test_the_configuration_says_how_long_people_stay_where_they_sign_in_and_who_frames(
    tmp_path: Path,
) -> None:
    tokens = write_tokens(tmp_path / "tokens", "ada")
    config = Config()
    config.DashboardOptions.session_s = "2h"
    config.DashboardOptions.frame_ancestors = "https://portal.example.edu"
    config.DashboardOptions.login_path = "https://portal.example.edu/login"
    campus = await Campus.started(tmp_path / "state", tokens, config=config)
    try:
        visitor = campus.visitor()
        sent = await visitor.get("/")
        assert sent.headers["location"] == "https://portal.example.edu/login"
        assert "frame-ancestors https://portal.example.edu" in sent.headers["Content-Security-Policy"]
        assert "Max-Age=7200" in (await visitor.sign_in("ada")).headers["set-cookie"]
    finally:
        await campus.stop()
