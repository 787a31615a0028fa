# SPDX-License-Identifier: BSD-3-Clause
"""Chromium without a screen, used as people use it: keys, colours, widths, and pictures of what it shows."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
LIMIT_S = 20.0
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)

# Text whose contrast with what is behind it is below WCAG's AA, 4.5 to 1 (3 to 1 where it is large).
_PALE_TEXT = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
const luminance = ([r, g, b]) => { const f = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
  return [255, 255, 255, 1]; };
const pale = [];
for (const e of document.querySelectorAll("body *:not(svg *)")) {
  const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
  if (!text || !e.checkVisibility()) continue;
  const style = getComputedStyle(e), size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const [light, dark] = [luminance(parse(style.color)), luminance(behind(e))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  if (ratio < (large ? 3 : 4.5)) pale.push(text.slice(0, 40) + " " + ratio.toFixed(2));
}
return pale;
"""  # noqa: E501


def chromium() -> tuple[str, str]:
    """Return the browser and its driver; without them the test is skipped."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    return browser, driver


class Browser:
    """A browser with a profile of its own; its pictures go to the folder ``album`` of the artifacts."""

    def __init__(self, url: str, profile: Path, album: str = "dashboard") -> None:
        browser, driver = chromium()
        options = ChromeOptions()
        options.binary_location = browser
        for switch in (*_SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(LIMIT_S)
        self.url = url
        self._album = ARTIFACTS / album

    def quit(self) -> None:
        self.driver.quit()

    def look(self, *, width: int = 1280, dark: bool = False) -> None:
        """Be as wide as a desktop's or a phone's browser, and as bright as its owner likes."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str = "body") -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def wait_for(self, script: str, *arguments: Any, limit_s: float = LIMIT_S) -> Any:
        """Return what a script returns as soon as that is true."""
        wait = WebDriverWait(self.driver, limit_s, poll_frequency=0.1)
        return wait.until(lambda _: self.run(script, *arguments), f"not within {limit_s:g} s: {script}")

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        script = "return document.querySelector(arguments[0])?.innerText.includes(arguments[1])"
        self.wait_for(script, selector, text)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def press_together(self, held: str, key: str) -> None:
        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    def focused(self) -> str:
        """Return what the element that has the focus says."""
        focused = "const e = document.activeElement; "
        said = self.run(focused + "return e.labels?.[0]?.textContent || e.textContent || e.tagName")
        return " ".join(str(said).split())[:80]

    def tab_to(self, text: str) -> None:
        """Press the tab key until what says ``text`` has the focus."""
        passed = []
        for _ in range(100):
            self.press(Keys.TAB)
            passed.append(self.focused())
            if passed[-1] == text:
                assert self.run("return document.activeElement.matches(':focus-visible')")
                return
        msg = f"the keyboard does not reach '{text}': {passed}"
        raise AssertionError(msg)

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page in ``artifacts/``."""
        self._album.mkdir(parents=True, exist_ok=True)
        size = self.run(
            "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = {"captureBeyondViewport": True, "clip": clip}
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
        (self._album / f"{name}.png").write_bytes(base64.b64decode(data))

    def pale_text(self) -> list[str]:
        return list(self.run(_PALE_TEXT))

    def sticks_out(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.run("return document.documentElement.scrollWidth > innerWidth"))

    def complaints(self) -> list[str]:
        """Return the console's warnings and errors, such as refused scripts, since the last call."""
        levels = ("WARNING", "SEVERE")
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in levels]
