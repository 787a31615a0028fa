# SPDX-License-Identifier: BSD-3-Clause
"""A pool in this process, its agents, and people who look at its dashboard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from bfkernel.remote.messages import AgentReport, ReportedGpu, ReportedLease
from bfkernel.remote.pool.server import PoolOptions, PoolServer

_ROLES = {"root": "admin", "gpu1": "agent"}
LINKS = ("href", "src", "action", "data-live", "data-events")
_VOID = {"meta", "link", "input", "img", "br"}


def token_of(user: str) -> str:
    return f"{user}-0123456789abcdef"


def write_tokens(path: Path, *users: str) -> Path:
    path.write_text("".join(f"{u} {token_of(u)} {_ROLES.get(u, 'user')}\n" for u in users))
    path.chmod(0o600)
    return path


@dataclass
class Page(HTMLParser):
    """A page as it came: its text, elements with their attributes, and forms with their fields."""

    source: str
    #: the path that it came from; what it links is resolved by it, as a browser does
    path: str = "/"
    text: str = ""
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: self._resolved(name, value or "") for name, value in attrs}
        self.elements.append((tag, facts))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "form":
            self.forms.append({"action": facts["action"]})
        if tag in ("input", "button") and "name" in facts and "form" in self._open:
            self.forms[-1][facts["name"]] = facts.get("value", "")

    def _resolved(self, name: str, value: str) -> str:
        return urljoin(self.path, value) if name in LINKS else value

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: self._resolved(name, value or "") for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [facts for name, facts in self.elements if name == tag]

    def classes(self) -> set[str]:
        return {word for _, facts in self.elements for word in facts.get("class", "").split()}

    def form(self, action: str, **fields: str) -> dict[str, str]:
        """Return the fields of the form that goes to ``action`` and has these."""
        found = [f for f in self.forms if f["action"] == action and fields.items() <= f.items()]
        assert found, f"no form to {action} with {fields}"
        return {name: value for name, value in found[0].items() if name != "action"}


class Visitor:
    """A browser, as far as cookies, forms and redirections go."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def page(self, path: str = "/") -> Page:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return Page(answer.text, path)

    async def post(self, path: str, /, fields: dict[str, str], **headers: str) -> httpx.Response:
        return await self.http.post(path, data=fields, headers={"Origin": self.url, **headers})

    async def send(self, page: str, action: str, /, which: dict[str, str], **filled: str) -> httpx.Response:
        """Fill in the form on ``page`` that goes to ``action``, and send it."""
        fields = (await self.page(page)).form(action, **which)
        return await self.post(action, {**fields, **filled})

    async def sign_in(self, user: str) -> httpx.Response:
        return await self.send("/login", "/login", {}, token=token_of(user))


class Campus:
    """A pool with its agents and users."""

    @classmethod
    async def started(cls, state_dir: Path, token_file: Path | None = None, **options: Any) -> Campus:
        campus = cls(PoolOptions(port=0, state_dir=state_dir, token_file=token_file, **options))
        await campus.pool.start()
        return campus

    def __init__(self, options: PoolOptions) -> None:
        self.pool = PoolServer(options)
        self.url = self.pool.url
        self.tokens = options.token_file is not None
        self.http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=20)
        self._visitors: list[Visitor] = []

    async def stop(self) -> None:
        for http in (self.http, *(visitor.http for visitor in self._visitors)):
            await http.aclose()
        await self.pool.stop()

    def visitor(self) -> Visitor:
        self._visitors.append(Visitor(self.url))
        return self._visitors[-1]

    async def signed_in(self, user: str) -> Visitor:
        visitor = self.visitor()
        assert (await visitor.sign_in(user)).status_code == 303
        return visitor

    def _by(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_of(user)}"} if self.tokens else {}

    async def report(
        self,
        name: str = "gpu1",
        gpus: int = 1,
        model: str = "Test GPU",
        instance: str = "a",
        **held_mib: float,
    ) -> None:
        report = AgentReport(
            instance="a",
            address="127.0.0.1:9",
            version="1",
            driver="test",
            gpus=[
                ReportedGpu(id=f"GPU-{i}", index=i, name=model, memory_mib=1000, emulated=True)
                for i in range(gpus)
            ],
            leases=[
                ReportedLease(id=lease, workers=1, held_mib=[mib], last_call_at=1.0)
                for lease, mib in held_mib.items()
            ],
        )
        path, body = f"/api/v1/agents/{name}/report", report.model_dump_json()
        (await self.http.post(path, content=body, headers=self._by("root"))).raise_for_status()

    async def ask(self, user: str = "", notebook: str = "", **request: Any) -> dict[str, Any]:
        body = {"fraction": 0.5, "holder": {"kind": "kernel", "name": notebook}, **request}
        answer = await self.http.post("/api/v1/leases", json=body, headers=self._by(user))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def states(self) -> dict[str, str]:
        found = await self.http.get("/api/v1/leases", headers=self._by("root"))
        return {lease["id"]: lease["state"] for lease in found.json()["leases"]}

    async def until_absent(self, absent: str, *reporting: str) -> None:
        """Let time pass until the pool misses one agent, while others report."""
        for _ in range(200):
            for name in reporting:
                await self.report(name)
            if (await self.servers())[absent] == "absent":
                return
            await asyncio.sleep(0.1)
        msg = f"the pool does not miss {absent}"
        raise AssertionError(msg)

    async def servers(self) -> dict[str, str]:
        found = await self.http.get("/api/v1/servers", headers=self._by("root"))
        return {server["name"]: server["state"] for server in found.json()["servers"]}


def goes_to(answer: httpx.Response) -> str:
    """Return the path that an answer sends the browser to."""
    assert answer.status_code in (302, 303), (answer.status_code, answer.text)
    return urlsplit(urljoin(str(answer.url), answer.headers["location"])).path
