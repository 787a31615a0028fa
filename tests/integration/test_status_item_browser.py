# SPDX-License-Identifier: BSD-3-Clause
"""JupyterLab's status item in a real browser, beside a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from selenium.webdriver.common.keys import Keys

from .browser import Browser, chromium
from .jupyter_harness import TOKEN

ITEM = ".bfkernel-ShareItem"
SHOWN = "const e = document.querySelector(arguments[0]); return e && e.checkVisibility()"
HIDDEN = "const e = document.querySelector(arguments[0]); return e && !e.checkVisibility()"


def write_notebook(folder: Path, kernel: str, name: str) -> None:
    content = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": kernel, "display_name": kernel}})
    nbformat.write(content, folder / name)


@pytest.fixture
def lab(pool, make_jupyter, tmp_path) -> Iterator[Browser]:
    chromium()
    jupyter = make_jupyter(program="jupyterlab")
    for kernel, name in (("gpu-0.02", "share.ipynb"), ("python3", "plain.ipynb")):
        write_notebook(tmp_path / "notebooks", kernel, name)
    browser = Browser(jupyter.url, tmp_path / "profile")
    yield browser
    browser.quit()


@pytest.mark.timeout(240)
def test_the_status_bar_shows_the_share_of_a_gpu_kernel_and_nothing_on_others(pool, lab):
    lab.look(width=1200)
    lab.open(f"lab/tree/share.ipynb?token={TOKEN}&reset")
    lab.wait_for(SHOWN, ITEM, limit_s=90)
    lab.wait_for_text("GPU 0.02: 0 of 81 MiB", ITEM)
    lab.picture("status-item")

    lab.run("document.querySelector(arguments[0]).focus()", ITEM)
    assert lab.run("return document.activeElement.matches(arguments[0])", ITEM), "the keyboard reaches it"
    lab.press(Keys.ENTER)
    lab.wait_for_text("Emulated GPU", ".jp-Dialog")
    lab.picture("status-item-dialog")
    lab.press(Keys.ESCAPE)

    lab.open(f"lab/tree/plain.ipynb?token={TOKEN}&reset")
    lab.wait_for("return document.querySelector('.jp-NotebookPanel') !== null", limit_s=90)
    lab.wait_for(HIDDEN, ITEM)
