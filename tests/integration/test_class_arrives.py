# SPDX-License-Identifier: BSD-3-Clause
"""A class of sixty opens its notebooks on a pool that holds fifty of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from .pool_processes import Process

STUDENTS, ROOM = 60, 50
ARRIVALS_S = 4.0
LIMIT_S = 90.0


class Classroom:
    """Knows when all have asked."""

    def __init__(self) -> None:
        self.everybody_is_here = asyncio.Event()
        self._missing = STUDENTS

    def enter(self) -> None:
        """Note that another student has asked."""
        self._missing -= 1
        if not self._missing:
            self.everybody_is_here.set()


@dataclass
class Student:
    """What one student saw."""

    name: str
    token: str
    positions: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    asked_at: float = 0.0
    granted_at: float = 0.0

    async def attend(self, url: str, arrives_s: float, classroom: Classroom) -> None:
        """Ask for a share, wait for it, work, and leave."""
        await asyncio.sleep(arrives_s)
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=LIMIT_S, trust_env=False) as http:
            answer = await http.post("/api/v1/leases", json={"fraction": 0.02})
            assert answer.status_code == 201, answer.text
            lease = answer.json()
            self.asked_at = lease["created_at"]
            classroom.enter()
            while lease["state"] == "queued":
                self.positions.append(lease["position"])
                self.messages.append(lease["message"])
                wait = {"since": lease["revision"], "wait_s": 20}
                answer = await http.get(f"/api/v1/leases/{lease['id']}", params=wait)
                assert answer.status_code == 200, answer.text
                lease = answer.json()
            assert lease["state"] == "granted", lease["message"]
            self.granted_at = lease["granted_at"]
            await classroom.everybody_is_here.wait()
            await asyncio.sleep(random.uniform(0.0, 2.0))
            (await http.delete(f"/api/v1/leases/{lease['id']}")).raise_for_status()


@pytest.fixture
def students(tmp_path: Path) -> list[Student]:
    return [Student(f"student{n:02}", f"token-of-student-{n:02}") for n in range(STUDENTS)]


@pytest.fixture
def url(tmp_path: Path, native: Path, students: list[Student]) -> Iterator[str]:
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{student.name} {student.token}\n" for student in students))
    tokens.chmod(0o600)
    serve = Process(
        "serve",
        native,
        tmp_path / "log",
        port=0,
        data_port=0,
        state_dir=tmp_path / "state",
        token_file=tokens,
        driver=str(native / "driver.so"),
    )
    try:
        yield serve.ready()
    finally:
        serve.stop()


async def attend_all(students: list[Student], url: str) -> None:
    classroom = Classroom()
    arrivals = sorted(random.uniform(0.0, ARRIVALS_S) for _ in students)
    attending = [
        asyncio.create_task(student.attend(url, arrives_s, classroom))
        for student, arrives_s in zip(students, arrivals, strict=True)
    ]
    await asyncio.wait_for(asyncio.gather(*attending), LIMIT_S)


def test_everybody_gets_a_share_in_a_fair_order(students: list[Student], url: str) -> None:
    asyncio.run(attend_all(students, url))
    waited = [student for student in students if student.positions]
    assert len(waited) >= STUDENTS - ROOM
    for student in students:
        assert student.positions == sorted(student.positions, reverse=True), "a place became worse"
        assert all(message.startswith("position ") for message in student.messages)
    in_order = sorted(waited, key=lambda student: student.asked_at)
    granted = [student.granted_at for student in in_order]
    assert granted == sorted(granted), "somebody who came later went first"
