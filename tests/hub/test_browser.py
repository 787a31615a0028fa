# SPDX-License-Identifier: BSD-3-Clause
"""A student's first hour in a browser: from the Hub's login to a share that is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.integration.browser import Browser, chromium
from tests.waiting import eventually

from .hub_harness import LIMIT_S, Hub, Student

pytestmark = pytest.mark.timeout(600)

SHARE = ".bfkernel-ShareItem"
OUTPUTS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea"
HIDDEN = "const e = document.querySelector(arguments[0]); return e && !e.checkVisibility()"
WRITING = "return document.activeElement.matches('.jp-NotebookPanel:not(.lm-mod-hidden) .cm-content')"
IDLE = "return document.querySelector('#jp-main-statusbar').innerText.includes('| Idle')"
INSIDE = "return document.querySelector(arguments[0]).getBoundingClientRect().right <= innerWidth"

# As the course's notebooks begin.
QUIET = """import warnings
warnings.filterwarnings("ignore", message=".*nvjitlink is not available.*")
"""
HOLD_16_MIB = """import numpy as np
from numba import cuda

@cuda.jit
def add_one(a):
    i = cuda.grid(1)
    if i < a.size:
        a[i] += 1

a = cuda.to_device(np.zeros(4 << 20, dtype=np.float32))
add_one[a.size // 128, 128](a)
print(a[:64].copy_to_host().sum())"""


class Desk(Browser):
    """A student's browser: JupyterLab in one tab, the Hub's pages in another."""

    def seen(self, selector: str) -> WebElement:
        """Return an element that can be seen, as soon as there is one."""
        shown = "return [...document.querySelectorAll(arguments[0])].find((e) => e.checkVisibility())"
        found: WebElement = self.wait_for(shown, selector, limit_s=LIMIT_S)
        return found

    def log_in(self, name: str) -> None:
        """Log in at the Hub, which starts the server and leads to it; decline Jupyter's news."""
        self.open("/hub/login")
        self.seen("#username_input").send_keys(name)
        self.seen("#password_input").send_keys("any", Keys.ENTER)
        self.seen(".jp-Launcher")
        self.seen(".Toastify__toast button:last-of-type").click()

    def new_notebook(self, kernel: str) -> None:
        """Choose a kernel in the launcher."""
        if not self.count(".jp-Launcher"):
            self.seen(".lm-TabBar-addButton").click()
        self.seen(f".jp-LauncherCard[data-category='Notebook'][title='{kernel}']").click()

    def run_cell(self, code: str) -> None:
        """Write into the cell that has the cursor, and press Shift and Enter.

        JupyterLab forgets cells that are run before it has reached the kernel.
        """
        self.wait_for(WRITING, limit_s=LIMIT_S)
        self.wait_for(IDLE, limit_s=LIMIT_S)
        self.driver.execute_cdp_cmd("Input.insertText", {"text": code})
        self.press_together(Keys.SHIFT, Keys.ENTER)

    def go_to_tab(self, number: int) -> None:
        while len(self.driver.window_handles) <= number:
            self.driver.switch_to.new_window("tab")
        self.driver.switch_to.window(self.driver.window_handles[number])
        self.look(width=1200)


@pytest.fixture
def desk(hub: Hub, tmp_path: Path) -> Iterator[Desk]:
    chromium()
    desk = Desk(hub.url, tmp_path / "chromium", album="hub")
    desk.look(width=1200)
    yield desk
    desk.quit()


@pytest.fixture
def anna(hub: Hub, desk: Desk, student: Callable[..., Student]) -> Student:
    """A student of course A who sees the launcher."""
    anna = student("course-a")
    desk.log_in(anna.name)
    hub.remember_children()
    return anna


def test_a_student_computes_on_a_share_and_gives_it_back(hub: Hub, desk: Desk, anna: Student) -> None:
    desk.picture("launcher")
    desk.new_notebook("GPU 0.02 (Course A)")
    desk.wait_for_text("GPU 0.02: 0 of 81 MiB", SHARE)
    desk.run_cell(QUIET + HOLD_16_MIB)
    desk.wait_for_text("64.0", OUTPUTS)
    desk.wait_for_text("GPU 0.02: 16 of 81 MiB", SHARE)
    desk.picture("cell")

    desk.new_notebook("Python 3 (ipykernel)")
    desk.wait_for(WRITING)
    desk.wait_for(HIDDEN, SHARE)
    desk.picture("other-kernel")
    desk.seen(".lm-TabBar-tab[title^='Name: Untitled.ipynb']").click()

    desk.go_to_tab(1)
    desk.open("/hub/home")
    desk.seen("a.nav-link[href$='/services/bfkernel/']").click()
    desk.wait_for_text("Untitled.ipynb", "#my-gpu")
    assert "16 MiB of 81 MiB" in desk.text("#my-gpu")
    desk.picture("my-gpu")
    look_at_all_sizes(desk, "my-gpu")
    desk.seen("#my-gpu .btn-danger").click()
    desk.driver.switch_to.alert.accept()
    desk.wait_for_text("You hold no share", "#my-gpu")
    desk.picture("my-gpu-released")
    assert hub.leases_of(anna.name) == []
    assert desk.complaints() == []

    desk.go_to_tab(0)
    desk.wait_for_text("GPU 0.02: given back", SHARE)
    desk.seen(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell:last-of-type .cm-content").click()
    desk.run_cell("a[0] = 1")
    desk.wait_for_text("GPU 0.02: The lease was released. Restart the kernel", ".jp-Cell:nth-of-type(2)")
    desk.picture("after-release")


def look_at_all_sizes(desk: Desk, name: str) -> None:
    """See that a page is readable in light and dark, on a desk and in a hand."""
    for width in (360, 1200):
        for dark in (True, False):
            desk.look(width=width, dark=dark)
            desk.driver.refresh()
            shown = f"{name}-{width}-{'dark' if dark else 'light'}"
            desk.picture(shown)
            assert desk.pale_text() == [], shown
            assert not desk.sticks_out(), shown
            assert desk.run(INSIDE, "#my-gpu .btn-danger"), shown


def test_over_quota_the_dialog_says_what_is_in_use(hub: Hub, desk: Desk, anna: Student) -> None:
    for number in (1, 2):
        desk.new_notebook("GPU 0.02 (Course A)")
        eventually(lambda number=number: len(hub.leases_of(anna.name)) == number, LIMIT_S, "the lease")
    desk.new_notebook("GPU 0.02 (Course A)")
    desk.wait_for_text("shut one down, or ask for less.", ".jp-Dialog pre")
    said = " ".join(desk.text(".jp-Dialog pre").split())
    assert "0.04 are in use (Untitled.ipynb 0.02, Untitled1.ipynb 0.02)" in said
    desk.picture("over-quota")
    cut = "const e = document.querySelector('.jp-Dialog pre'); return e.scrollWidth > e.clientWidth"
    assert not desk.run(cut), "the sentence's end cannot be seen"
