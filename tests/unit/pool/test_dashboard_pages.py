# SPDX-License-Identifier: BSD-3-Clause
"""What the dashboard's pages show and what their buttons do."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dashboard_visitor import LINKS, Campus, Page, goes_to, write_tokens

pytestmark = pytest.mark.asyncio
HOSTILE = '"><script>alert(1)</script>{{ 1 }}'
QUOTAS = {
    "default": {"gpus": 1, "gpu_hours_per_week": 10, "longest_idle_s": 1800},
    "groups": {"ml": {"leases": 3}},
}


@pytest_asyncio.fixture
async def campus(tmp_path: Path) -> Any:
    tokens = write_tokens(tmp_path / "tokens", "ada", "bob", "<i>eve</i>", "root")
    campus = await Campus.started(tmp_path / "state", tokens, quotas=QUOTAS)
    yield campus
    await campus.stop()


@pytest_asyncio.fixture
async def brisk(tmp_path: Path) -> Any:
    """A pool that misses a silent agent after two seconds, and finds leases idle at once."""
    tokens = write_tokens(tmp_path / "tokens", "bob", "root")
    idle_at_once = {"users": {"bob": {"longest_idle_s": 0.1}}}
    campus = await Campus.started(tmp_path / "state", tokens, quotas=idle_at_once, lease_ttl_s=4)
    yield campus
    await campus.stop()


def assert_well_made(page: Page) -> None:
    """No inline script or style, nothing unlabelled, no id twice."""
    for tag, facts in page.elements:
        assert not [name for name in facts if name.startswith("on") or name == "style"], (tag, facts)
        assert tag != "style"
        assert tag != "script" or facts["src"].startswith("/dashboard/static/")
    ids = [facts["id"] for _, facts in page.elements if "id" in facts]
    assert len(ids) == len(set(ids))
    labelled = {facts.get("for") for facts in page.all("label")}
    for facts in page.all("input") + page.all("select"):
        assert facts.get("type") in ("hidden", "checkbox") or facts["id"] in labelled, facts
    assert len(page.all("table")) == len(page.all("caption"))
    assert len(page.all("h1")) == 1


async def test_every_link_stays_below_what_a_proxy_adds_to_its_path(campus: Campus) -> None:
    await campus.report()
    await campus.ask("root")
    root = await campus.signed_in("root")
    prefix = "/services/bfkernel/pool"
    for path in ("/", "/admin", "/admin/quota?kind=default", "/login"):
        source = (await root.page(path)).source
        here, there = links(Page(source, path)), links(Page(source, prefix + path))
        assert there == [prefix + link for link in here]
        assert prefix + "/dashboard/static/live.js" in {link.partition("?")[0] for link in there}


def links(page: Page) -> list[str]:
    """Return all addresses of a page but those within it, in its order."""
    found = [facts[name] for _, facts in page.elements for name in LINKS if name in facts]
    return [link for link in found if "#content" not in link]


async def test_every_page_is_well_made(campus: Campus) -> None:
    await campus.report("gpu1", gpus=2)
    await campus.report("gpu2", gpus=2)  # ids of GPUs are unique within a server
    await campus.ask("ada")
    await campus.ask("bob", fraction=0.5, gpu_count=2)
    await campus.ask("root", fraction=0.9)
    root = await campus.signed_in("root")
    for path in ("/", "/admin", "/admin/quota?kind=default", "/admin/quota?kind=users&name=ada", "/login"):
        page = await root.page(path)
        assert_well_made(page)
        assert page.all("html")
        assert not page.all("html")[0].keys() - {"lang"}
    for path in ("/?part=live", "/admin?part=live"):
        assert not (await root.page(path)).all("html")


async def test_bars_show_who_holds_what(campus: Campus) -> None:
    await campus.report(gpus=1, model="Test 9000")
    first = await campus.ask("ada", "train.ipynb", fraction=0.25)
    await campus.ask("bob", "probe.ipynb", fraction=0.5)
    await campus.report(gpus=1, model="Test 9000", **{first["id"]: 100.0})
    page = await (await campus.signed_in("ada")).page("/")
    pieces = [facts for facts in page.all("svg") if "piece" in facts.get("class", "")]
    assert [(facts["x"], facts["width"]) for facts in pieces] == [
        ("0.000%", "25.000%"),
        ("25.000%", "50.000%"),
    ]
    assert [facts["class"].split()[1:3] for facts in pieces] == [["active", "own"], ["granted"]]
    assert "40.00%" in {facts["width"] for facts in page.all("rect") if facts["class"] == "fill"}
    assert "ada: GPU 0.25, active, 100 MiB held of 250 MiB" in page.text
    assert "somebody: GPU 0.5, not used yet, 0 MiB held of 500 MiB" in page.text
    assert "Test 9000" in page.text
    assert "emulated" in page.text
    assert "0.75 of 1 GPU leased. Nobody waits." in page.text


async def test_other_peoples_names_are_for_admins(campus: Campus) -> None:
    await campus.report()
    await campus.ask("ada", "secret-plan.ipynb", fraction=0.9)
    other = await campus.ask("ada", "other-plan.ipynb", fraction=0.1)
    await campus.ask("bob", "bobs.ipynb", fraction=0.5)
    bob = await (await campus.signed_in("bob")).page("/")
    assert "somebody" in bob.text
    assert "bobs.ipynb" in bob.text
    assert "Place 1 of 1 in the queue" in bob.text
    for secret in ("ada", "secret-plan", other["id"]):
        assert secret not in bob.source
    root = await campus.signed_in("root")
    assert "secret-plan.ipynb" in (await root.page("/")).text
    assert "other-plan.ipynb" in (await root.page("/admin")).text


async def test_names_that_users_choose_are_text_and_nothing_else(campus: Campus) -> None:
    await campus.report(model=HOSTILE)
    await campus.ask("<i>eve</i>", HOSTILE, fraction=0.9)
    await campus.ask("<i>eve</i>", HOSTILE, fraction=0.1)
    for user in ("root", "<i>eve</i>"):
        visitor = await campus.signed_in(user)
        for path in ("/", "/admin") if user == "root" else ("/",):
            page = await visitor.page(path)
            assert_well_made(page)
            assert HOSTILE in page.text
            assert "<i>eve</i>" in page.text
            assert "alert(1)</script>" not in page.source
            assert not page.all("i")
    root = await campus.signed_in("root")
    page = await root.page("/admin/quota?kind=users&name=%22%3E%3Cb%3E")
    assert 'User "><b>' in page.text
    assert not page.all("b")
    missing = await root.get("/admin/quota?kind=%3Cb%3E")
    assert missing.status_code == 422


async def test_every_state_of_servers_and_leases_is_said(brisk: Campus) -> None:
    names = {"ready1": "ready", "cordoned1": "cordoned", "draining1": "draining", "absent1": "absent"}
    for name in names:
        await brisk.report(name)
    root = await brisk.signed_in("root")
    for name, do in (("cordoned1", "cordon"), ("draining1", "drain")):
        sent = await root.send("/admin", "/actions/server", {"server": name}, do=do, grace="1h")
        assert goes_to(sent) == "/admin"
    await brisk.until_absent("absent1", "ready1", "cordoned1", "draining1")
    page = await root.page("/")
    assert set(names.values()) <= page.classes()
    assert "leases end" in page.text
    assert "last heard of" in page.text
    assert await brisk.servers() == names
    await brisk.ask("bob", fraction=0.3)
    await brisk.ask("root", fraction=0.2)
    waiting = await brisk.ask("root", fraction=0.9)
    assert waiting["state"] == "queued"
    for _ in range(100):
        page = await root.page("/")
        if "hatched" in page.classes():
            break
        await asyncio.sleep(0.1)
    pieces = [facts["class"].split() for facts in page.all("svg") if "piece" in facts.get("class", "")]
    assert [piece[1] for piece in pieces] == ["idle", "granted"]
    assert {"hatched", "queued"} <= page.classes()


async def test_an_empty_pool_says_what_to_do(campus: Campus) -> None:
    page = await (await campus.signed_in("ada")).page("/")
    assert "No GPU server is connected." in page.text
    assert "bfkernel agent --pool URL" in page.text
    assert "You hold no share of a GPU." in page.text
    assert "Nobody waits." in page.text


async def test_ones_own_quota_is_shown_with_what_is_used(campus: Campus) -> None:
    await campus.report()
    await campus.ask("ada", fraction=0.9)
    page = await (await campus.signed_in("ada")).page("/")
    assert "0.9 of 1" in page.text
    assert "90 % used" in {facts.get("aria-label") for facts in page.all("svg")}
    assert "begins anew" in page.text
    assert "It is taken back when idle for 30 min." in page.text


async def test_one_releases_ones_lease_and_leaves_the_queue(campus: Campus) -> None:
    await campus.report()
    held, waiting = await campus.ask("ada", fraction=0.9), await campus.ask("bob", fraction=0.9)
    bob, ada = await campus.signed_in("bob"), await campus.signed_in("ada")
    assert goes_to(await bob.send("/", "/actions/release", {"lease": waiting["id"]})) == "/"
    assert await campus.states() == {held["id"]: "granted"}
    assert goes_to(await ada.send("/", "/actions/release", {"lease": held["id"]})) == "/"
    assert await campus.states() == {}


async def test_an_admin_revokes_and_drains(campus: Campus) -> None:
    await campus.report()
    first, second = await campus.ask("ada", fraction=0.3), await campus.ask("bob", fraction=0.3)
    root = await campus.signed_in("root")
    assert goes_to(await root.send("/admin", "/actions/revoke", {"lease": first["id"]})) == "/admin"
    assert await campus.states() == {second["id"]: "granted"}
    server = {"server": "gpu1"}
    await root.send("/admin", "/actions/server", server, do="drain", grace="0")
    assert await campus.states() == {}
    assert await campus.servers() == {"gpu1": "draining"}
    await root.send("/admin", "/actions/server", server, do="uncordon")
    assert await campus.servers() == {"gpu1": "ready"}
    for fields, status in (
        ({"server": "gpu7", "do": "cordon"}, 404),
        ({"server": "gpu1", "do": "explode"}, 422),
        ({"server": "gpu1", "do": "drain", "grace": "soon"}, 422),
        ({"server": "gpu1", "do": "drain", "grace": "400d"}, 422),
    ):
        form = (await root.page("/admin")).form("/logout")["form"]
        assert (await root.post("/actions/server", {**fields, "form": form})).status_code == status


async def test_a_server_that_is_gone_can_be_forgotten_and_no_other(brisk: Campus) -> None:
    await brisk.report()
    root = await brisk.signed_in("root")
    refused = await root.send("/admin", "/actions/server", {"server": "gpu1"}, do="forget")
    assert refused.status_code == 409
    assert await brisk.servers() == {"gpu1": "ready"}
    await brisk.until_absent("gpu1")
    await root.send("/admin", "/actions/server", {"server": "gpu1", "do": "forget"})
    assert await brisk.servers() == {}


async def test_an_admin_edits_quotas(campus: Campus) -> None:
    root = await campus.signed_in("root")
    page, action = "/admin/quota?kind=users&name=ada", "/actions/quota"
    answer = await root.send(page, action, {}, do="set", gpus="0.25", longest_lease_s="8h")
    assert goes_to(answer) == "/admin"
    shown = (await root.page("/admin")).text
    assert "User ada" in shown
    assert "GPUs at once 0.25" in shown
    assert "Longest lease 8h" in shown
    assert (await root.page(page)).form(action)["gpus"] == "0.25"
    wrong = await root.send(page, action, {}, do="set", gpus="a lot", leases="7")
    assert wrong.status_code == 422
    assert "GPUs at once: &#x27;a lot&#x27; cannot be read" in wrong.text.replace("&#39;", "&#x27;")
    assert Page(wrong.text, action).form(action)["leases"] == "7"
    await root.send(page, action, {}, do="reset")
    assert "User ada" not in (await root.page("/admin")).text


async def test_a_tighter_quota_takes_leases_back_only_when_that_is_asked(campus: Campus) -> None:
    await campus.report()
    lease = await campus.ask("ada", fraction=0.5)
    root = await campus.signed_in("root")
    page, action = "/admin/quota?kind=users&name=ada", "/actions/quota"
    fields = {k: v for k, v in (await root.page(page)).form(action).items() if k != "enforce"}
    await root.post(action, {**fields, "do": "set", "gpus": "0.1"})
    assert await campus.states() == {lease["id"]: "granted"}
    await root.post(action, {**fields, "do": "set", "gpus": "0.1", "enforce": "yes"})
    assert await campus.states() == {}


async def test_usage_comes_as_a_table_and_as_a_file(campus: Campus) -> None:
    await campus.report()
    await campus.ask("ada", fraction=0.5)
    root = await campus.signed_in("root")
    page = await root.page("/admin?by=both&first=2026-01-01&last=2999-12-31")
    assert "GPU-hours by user and group from 2026-01-01 to 2999-12-31" in page.text
    (link,) = [facts["href"] for facts in page.all("a") if "download" in facts]
    answer = await root.get(link)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="usage-by-both-2026-01-01-2999-12-31.csv"' in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["user"], row["leases"]) == ("ada", "1")
    for query in ("by=cat", "first=yesterday", "first=2026-02-02&last=2026-02-01", "last=9999-12-31"):
        assert (await root.get(f"/admin?{query}")).status_code == 422


async def test_charts_show_the_time_that_was_asked_for(campus: Campus) -> None:
    ada = await campus.signed_in("ada")
    assert "6 hours ago" in (await ada.page("/")).text
    assert "1 week ago" in (await ada.page("/?hours=168")).text
    for hours in ("9999", "9" * 5000, "-1", "cat"):
        assert "6 hours ago" in (await ada.page(f"/?hours={hours}")).text
