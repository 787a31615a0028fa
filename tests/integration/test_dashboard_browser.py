# SPDX-License-Identifier: BSD-3-Clause
"""The dashboard in a real browser, before a pool with an emulated GPU and programs that hold memory on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from tests.waiting import eventually

from .browser import Browser, chromium
from .conftest import Pool
from .jupyter_processes import Processes
from .leased_program import LeasedProgram

LIMIT_S = 30.0


def token_of(user: str) -> str:
    return f"{user}-0123456789abcdef"


class School:
    """A pool with two emulated GPUs, and its users."""

    def __init__(self, pool: Pool, processes: Processes, env: dict[str, str]) -> None:
        self.url = pool.url
        self._processes, self._env = processes, env

    def _call(self, user: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token_of(user)}"}
        answer = httpx.request(
            method, self.url + path, headers=headers, trust_env=False, timeout=LIMIT_S, **more
        )
        answer.raise_for_status()
        return answer

    def ask(self, user: str, fraction: float, notebook: str) -> str:
        ask = {"fraction": fraction, "holder": {"kind": "kernel", "name": notebook}}
        return str(self._call(user, "POST", "/api/v1/leases", json=ask).json()["id"])

    def states(self, user: str = "root") -> dict[str, str]:
        leases = self._call(user, "GET", "/api/v1/leases").json()["leases"]
        return {lease["id"]: lease["state"] for lease in leases}

    def run(self, user: str, fraction: float, mib: int) -> LeasedProgram:
        env = {**self._env, "BFKERNEL_TOKEN": token_of(user)}
        program = LeasedProgram(self._processes, env, "memory", "hold", str(mib), share=("-p", str(fraction)))
        program.expect("holding")
        return program


@pytest.fixture
def school(
    make_pool: Callable[..., Pool], processes: Processes, env: dict[str, str], tmp_path: Path
) -> School:
    chromium()
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{u} {token_of(u)}\n" for u in ("ada", "bob")))
    tokens.write_text(tokens.read_text() + f"root {token_of('root')} admin\n")
    tokens.chmod(0o600)
    options = ("--softgpus=2", "--softgpu-memory=4GiB", "--lease-ttl=5min", f"--token-file={tokens}")
    return School(make_pool(*options, "--name=gauss"), processes, env)


@pytest.fixture
def browser(school: School, tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(school.url, tmp_path / "chromium")
    yield browser
    browser.quit()


def sign_in(browser: Browser, user: str) -> None:
    """Sign in with the keyboard; the field has the focus from the beginning."""
    browser.open("/")
    assert browser.focused() == "Token"
    browser.press(token_of(user), Keys.ENTER)
    browser.wait_for_text("Live", "#live")


def test_a_lease_appears_by_itself_and_is_released_with_the_keyboard(
    school: School, browser: Browser
) -> None:
    sign_in(browser, "ada")
    assert "You hold no share" in browser.text("#own-leases")
    browser.run("window.sameDocument = true")
    school.ask("ada", 0.25, "lesson.ipynb")
    browser.wait_for_text("lesson.ipynb", "#own-leases")
    browser.wait_for_text("0.25 of 2 GPUs leased.", "#headline")
    assert browser.count(".piece.own.granted") == 1

    browser.tab_to("Release GPU 0.25 lesson.ipynb…")
    browser.press(Keys.ENTER)
    browser.tab_to("Release now")
    other = school.ask("bob", 0.5, "elsewhere.ipynb")
    browser.wait_for_text("0.75 of 2 GPUs leased.", "#headline")
    assert browser.focused() == "Release now", "news from the pool moved the focus"
    assert "elsewhere" not in browser.text()
    assert browser.run("return window.sameDocument")
    browser.picture("release")
    browser.press(Keys.ENTER)
    browser.wait_for_text("GPU 0.25 was released.", ".news")
    assert school.states() == {other: "granted"}
    assert browser.complaints() == []


def test_who_is_in_what_goes_away_goes_on_nearby(school: School, browser: Browser) -> None:
    lease = school.ask("ada", 0.25, "lesson.ipynb")
    sign_in(browser, "ada")
    browser.tab_to("Release GPU 0.25 lesson.ipynb…")
    school._call("root", "DELETE", f"/api/v1/leases/{lease}")
    browser.wait_for_text("You hold no share", "#own-leases")
    assert browser.focused() == "Your leases"
    browser.driver.delete_all_cookies()
    school.ask("ada", 0.25, "another.ipynb")
    browser.wait_for_text("Signed out: load the page anew", "#live")
    assert "another.ipynb" not in browser.text()


def test_bars_follow_what_programs_hold_and_opened_lists_stay_open(school: School, browser: Browser) -> None:
    sign_in(browser, "ada")
    school.ask("ada", 0.1, "notes.ipynb")
    browser.wait_for("return document.querySelector('details[id^=leases-] summary')")
    browser.run("document.querySelector('details[id^=leases-]').open = true")
    school.run("ada", 0.5, 1024)
    held = "return document.querySelector('.piece.active .fill')?.getBoundingClientRect().width > 50"
    browser.wait_for(held)
    browser.wait_for("return document.querySelectorAll('details[open] tbody tr').length == 2")
    assert "emulated" in browser.text("#servers")


def test_an_admin_drains_the_server(school: School, browser: Browser) -> None:
    lease = school.ask("bob", 0.5, "thesis.ipynb")
    sign_in(browser, "root")
    browser.tab_to("Admin")
    browser.press(Keys.ENTER)
    browser.wait_for_text("thesis.ipynb", "#admin-leases")
    browser.tab_to("Drain gauss…")
    browser.press(Keys.ENTER)
    browser.tab_to("End its leases after")
    browser.press("0")
    school.ask("bob", 0.2, "appendix.ipynb")
    browser.wait_for_text("appendix.ipynb", "#admin-leases")
    assert browser.run("return document.activeElement.value") == "0", "news undid what was filled in"
    browser.tab_to("Drain now")
    browser.press(Keys.ENTER)
    browser.wait_for_text("gauss is being drained.", ".news")
    browser.wait_for_text("draining", "#admin-servers")
    eventually(lambda: lease not in school.states(), LIMIT_S, "the end of the lease")
    assert browser.complaints() == []


def test_the_pages_are_readable_in_light_and_dark_on_a_desk_and_in_a_hand(
    school: School, browser: Browser
) -> None:
    for user, fraction, mib in (("ada", 0.5, 1500), ("bob", 0.3, 400)):
        school.run(user, fraction, mib)
    for user, fraction in (("ada", 0.1), ("bob", 0.02), ("bob", 0.75), ("ada", 1), ("bob", 0.5)):
        school.ask(user, fraction, f"lesson-{fraction}.ipynb")
    eventually(lambda: "active" in school.states().values(), LIMIT_S, "a program at work")
    sign_in(browser, "root")
    for path, page in (("/", "overview"), ("/admin", "admin"), ("/admin/quota?kind=default", "quota")):
        for width in (1280, 360):
            for dark in (False, True):
                browser.look(width=width, dark=dark)
                browser.open(path)
                name = f"{page}-{width}-{'dark' if dark else 'light'}"
                browser.picture(name)
                assert browser.pale_text() == [], name
                assert not browser.sticks_out(), name
    assert browser.complaints() == []


def test_a_pool_that_went_away_is_said(make_pool: Callable[..., Pool], tmp_path: Path) -> None:
    chromium()
    pool = make_pool("--softgpus=1", "--softgpu-memory=1GiB")
    browser = Browser(pool.url, tmp_path / "chromium")
    try:
        browser.open("/")
        browser.wait_for_text("Live", "#live")
        pool.process.kill()
        browser.wait_for_text("Not live", "#live")
        pool.restart()
        browser.wait_for("return document.getElementById('live').innerText === 'Live'")
    finally:
        browser.quit()
