# SPDX-License-Identifier: BSD-3-Clause
"""The pool's dashboard by the Hub's login: for admins, and for no script of somebody else's."""

from __future__ import annotations

import pytest

from tests.integration.browser import Browser as Chromium
from tests.waiting import eventually

from .hub_harness import LIMIT_S, Browser, Hub

pytestmark = pytest.mark.timeout(400)

POOL = "/services/bfkernel/pool"


@pytest.fixture
def lease(hub: Hub, student):
    """A student's, who computes on it."""
    anna = student("course-a")
    anna.start_server()
    anna.start_kernel("gpu-0.02-course-a", "exercise.ipynb")
    (lease,) = hub.leases_of(anna.name)
    return lease


def test_it_is_for_admins_and_nothing_but_the_dashboard_is_passed_on(hub: Hub, lease):
    admin, anna = Browser(hub, "admin"), Browser(hub, lease["user"])
    assert "pool/" in admin.my_gpu()
    assert "pool/" not in anna.my_gpu()
    page = admin.http.get(f"{POOL}/admin")
    assert page.status_code == 200
    assert lease["user"] in page.text
    assert "exercise.ipynb" in page.text
    assert "bfkernel-session" not in str(page.headers), "cookies of the pool's are not the Hub's"
    for path in ("/", "/admin", "/admin/usage.csv", "/dashboard/events"):
        assert anna.http.get(POOL + path).status_code == 403
    for path in ("/api/v1/leases", "/metrics", "/login", "/admin/../api/v1/leases", "//api/v1/leases"):
        assert admin.http.get(POOL + path).status_code == 404


def test_a_script_at_the_hubs_address_can_neither_read_it_nor_press_its_buttons(hub: Hub, lease):
    admin = Browser(hub, "admin")
    admin.my_gpu()
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    for path in ("/admin", "/admin?part=live&form=x", "/dashboard/events"):
        assert admin.http.get(POOL + path, headers=script).status_code == 403
    revoke = {"lease": lease["id"], "form": "x"}
    assert admin.http.post(f"{POOL}/actions/revoke", data=revoke, headers=script).status_code == 403
    assert [kept["id"] for kept in hub.leases()] == [lease["id"]]


def test_in_a_browser_an_admin_comes_there_from_my_gpu_and_takes_a_lease_back(hub: Hub, lease, tmp_path):
    browser = Chromium(hub.url, tmp_path / "chromium")
    try:
        browser.open("/hub/login?next=/services/bfkernel/")
        browser.run("document.querySelector('[name=username]').value = 'admin'")
        browser.run("document.querySelector('form').submit()")
        browser.wait_for_text("The pool’s dashboard", "#my-gpu")
        browser.run("document.querySelector('a[href$=\"pool/\"]').click()")
        browser.wait_for_text("Live", "#live")
        browser.run("document.querySelector('nav a[href$=admin]').click()")
        browser.wait_for_text(lease["user"], "#admin-leases")
        browser.wait_for_text("Live", "#live")
        assert browser.complaints() == []
        browser.run("document.querySelector('#admin-leases form button').click()")
        browser.wait_for_text("was taken back", ".news")
        assert browser.driver.current_url.startswith(f"{hub.url}{POOL}/admin?")
        assert "Sign out" not in browser.text()
    finally:
        browser.quit()
    eventually(lambda: hub.leases() == [], LIMIT_S, "the lease's end")


def test_my_gpu_keeps_up_by_itself(hub: Hub, student, tmp_path):
    ben = student("course-b")
    browser = Chromium(hub.url, tmp_path / "chromium")
    try:
        browser.open("/hub/login?next=/services/bfkernel/")
        browser.run(f"document.querySelector('[name=username]').value = '{ben.name}'")
        browser.run("document.querySelector('form').submit()")
        browser.wait_for_text("You hold no share", "#my-gpu")
        browser.run("window.sameDocument = true")
        ben.start_server()
        ben.start_kernel("gpu-0.05-course-b", "late.ipynb")
        browser.wait_for_text("late.ipynb", "#my-gpu")
        assert browser.run("return window.sameDocument")
    finally:
        browser.quit()
