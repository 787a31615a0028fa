# SPDX-License-Identifier: BSD-3-Clause
"""What somebody with a user's token, a join token, a web page or no token at all tries on a real pool."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .pool_processes import LIMIT_S, Client, Connection, Process

TOKENS = {name: f"{name}-0123456789abcdef" for name in ("ada", "bob", "root", "gpu1")}
ROLES = {"root": "admin", "gpu1": "agent"}
NOWHERE = "0" * 16
REPORT = {"instance": "evil", "address": "127.0.0.1:9", "version": "1", "driver": "d", "gpus": []}


class Target:
    """A guarded pool with its GPU server, in which Bob has a lease that Ada is after."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ada, self.bob, self.root, self.join = (Client(url, TOKENS[name]) for name in TOKENS)
        self.lease = self.bob.ask(fraction=0.5, holder={"name": "bobs-secret.ipynb"})
        self.path = f"/api/v1/leases/{self.lease['id']}"

    def check_unharmed(self) -> None:
        """Bob's lease is as it was, and nobody has taken anything."""
        assert [x["id"] for x in self.root.leases()] == [self.lease["id"]]
        now = self.bob.lease(self.lease["id"])
        same = ("state", "revision", "fraction", "memory_mib", "gpus", "user")
        assert {key: now[key] for key in same} == {key: self.lease[key] for key in same}


@contextmanager
def guarded_pool(native: Path, folder: Path) -> Iterator[Process]:
    """Start a pool with tokens; in the end it still runs, and its log holds no defect and no secret."""
    tokens = folder / "tokens"
    tokens.touch(0o600)
    tokens.write_text("".join(f"{name} {TOKENS[name]} {ROLES.get(name, 'user')}\n" for name in TOKENS))
    options = {"state_dir": folder / "state", "token_file": tokens, "driver": str(native / "driver.so")}
    serve = Process("serve", native, folder / "log", port=0, data_port=0, name="here", **options)
    try:
        serve.ready()
        yield serve
        assert serve.process.poll() is None
        log = serve.log.read_text()
        assert "Traceback" not in log, log
        assert not any(token in log for token in TOKENS.values())
    finally:
        serve.kill()


@pytest.fixture(scope="module")
def shared(native: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The pool of all tests that leave it as it was."""
    with guarded_pool(native, tmp_path_factory.mktemp("guarded")) as serve:
        yield serve


@pytest.fixture
def target(shared: Process) -> Iterator[Target]:
    target = Target(shared.where)
    yield target
    target.bob.release(target.lease["id"])


@pytest.fixture
def own_target(native: Path, tmp_path: Path) -> Iterator[Target]:
    """A pool that the test may change."""
    with guarded_pool(native, tmp_path) as serve:
        yield Target(serve.where)


def raw(url: str, request: bytes) -> bytes:
    """Send bytes to a pool and return what comes back until it closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=LIMIT_S) as connection:
        received = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                received += part
        except ConnectionError:
            pass
    return received


def ask_raw(url: str, method: str, path: str, *headers: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Send one request as it stands, and return status and body; 0 when the connection was just closed."""
    host = b"Host: " + urlsplit(url).netloc.encode()
    fixed = (b"Connection: close", b"Content-Length: %d" % len(body))
    named = headers if any(h.lower().startswith(b"host:") for h in headers) else (host, *headers)
    head = b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *named, *fixed])
    answer = raw(url, head + b"\r\n\r\n" + body)
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]) if status else 0, rest.partition(b"\r\n\r\n")[2]


def bearer(name: str) -> bytes:
    return f"Authorization: Bearer {TOKENS[name]}".encode()


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "?since=0&wait_s=0"),
        ("GET", "?since=1&wait_s=20"),
        ("GET", "?wait_s=nan"),
        ("HEAD", ""),
        ("DELETE", ""),
        ("PUT", ""),
        ("PATCH", ""),
        ("POST", "/heartbeat"),
        ("GET", "/heartbeat"),
        ("POST", "/extend"),
    ],
)
def test_another_users_lease_is_as_one_that_does_not_exist(target: Target, method: str, tail: str) -> None:
    began = time.monotonic()
    theirs = target.ada.http.request(method, target.path + tail)
    nobodys = target.ada.http.request(method, f"/api/v1/leases/{NOWHERE}{tail}")
    assert theirs.status_code == nobodys.status_code in (404, 405)
    assert theirs.text.replace(target.lease["id"], NOWHERE) == nobodys.text
    volatile = ("date",)
    assert {k: v for k, v in theirs.headers.items() if k not in volatile} == {
        k: v for k, v in nobodys.headers.items() if k not in volatile
    }
    assert time.monotonic() - began < 15, "a wait that is not permitted must not tell by its length"
    target.check_unharmed()


def test_another_users_lease_is_in_no_list(target: Target) -> None:
    waiting = target.bob.ask(fraction=1, holder={"name": "bobs-secret.ipynb"})
    assert waiting["state"] == "queued"
    for params in ({}, {"all": "true"}):
        assert target.ada.http.get("/api/v1/leases", params=params).json() == {"leases": []}
    assert target.ada.http.get("/api/v1/leases", params={"user": "bob"}).status_code == 422
    read = [path for method, path in described(target) if method == "get" and "{" not in path]
    assert "/api/v1/queue" in read
    for path in {*read, "/api/v1/usage?by=user", "/api/v1/usage?by=group&format=csv"} - {"/api/v1/events"}:
        answer = target.ada.http.get(path).text
        names = ("bob", "secret", target.lease["id"], target.lease["token"], waiting["id"])
        assert not [name for name in names if name in answer], path
    target.bob.release(waiting["id"])
    target.check_unharmed()


def test_no_spelling_of_the_path_leads_to_another_users_lease(target: Target) -> None:
    lease = target.lease["id"]
    wide = "".join(f"%EF%BC%{0x90 + int(c):02X}" if c.isdigit() else c for c in lease)
    spellings = [
        f"/api/v1/leases/{lease}/",
        f"/api/v1/leases/{lease}%2Fheartbeat",
        f"/api/v1/leases/{lease}%00",
        f"/api/v1/leases/{lease};user=bob",
        f"/api/v1/leases/{lease}?user=bob&token={TOKENS['bob']}&access_token={TOKENS['bob']}",
        f"/api/v1/leases/{lease}#",
        f"/api/v1/leases/{lease.upper()}",
        f"/api/v1/leases/%20{lease}",
        f"/api/v1/leases/{wide}",
        f"/api/v1/leases/%ff{lease}",
        f"/api/v1/leases/.%2F{lease}",
        f"/api/v1/leases/..%2Fleases%2F{lease}",
        f"/api/v1/leases/x/../{lease}",
        f"/api/v1/agents/../leases/{lease}",
        f"/api/v1/leases//{lease}",
        f"//api/v1/leases/{lease}",
        f"/API/V1/LEASES/{lease}",
        f"/healthz/../api/v1/leases/{lease}",
        f"/healthz%2F..%2Fapi/v1/leases/{lease}",
        f"{target.url}/api/v1/leases/{lease}",
        "/api/v1/leases/" + "%2e" * 30000,
    ]
    for path in spellings:
        for method in ("GET", "DELETE"):
            status, body = ask_raw(target.url, method, path, bearer("ada"))
            assert status in (0, 400, 404, 405, 414, 431), (path, status)
            assert b"bobs-secret" not in body
    target.check_unharmed()


def test_nobody_gets_another_name_by_saying_so(target: Target) -> None:
    for field in ("user", "name", "groups", "role", "admin", "token", "id", "lease", "server", "placements"):
        answer = target.ada.http.post("/api/v1/leases", json={"fraction": 0.1, field: "bob"})
        assert answer.status_code == 422, field
    target.check_unharmed()
    said = ("X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Forwarded-Access-Token", "X-User", "From")
    headers = {
        **dict.fromkeys(said, "bob"),
        "Cookie": f"token={TOKENS['bob']}; user=bob; jupyterhub-services={TOKENS['bob']}",
        "X-Forwarded-For": "127.0.0.1",
        "X-HTTP-Method-Override": "DELETE",
    }
    holder = {"kind": "kernel", "name": "bob", "host": "bob", "pid": 1}
    body = {"fraction": 0.1, "holder": holder}
    answer = target.ada.http.post("/api/v1/leases", json=body, headers=headers)
    assert answer.json()["user"] == "ada"
    assert target.ada.http.get(target.path, headers=headers).status_code == 404
    target.ada.release(answer.json()["id"])
    target.check_unharmed()


def test_garbage_for_a_token_lets_nobody_in_and_harms_nobody(target: Target) -> None:
    token = TOKENS["bob"].encode()
    values = [
        b"",
        b"Bearer",
        b"Bearer ",
        token,
        b"Basic " + base64.b64encode(b"bob:" + token),
        b"Token " + token,
        b"Bearer " + token[:-1],
        b"Bearer " + token + b"x",
        b"Bearer " + token.upper(),
        b"Bearer Bearer " + token,
        b"Bearer " + token + b", Bearer " + token,
        b"Bearer " + token + b"\x00",
        b"Bearer \xff\xfe\xfd",
        b"Bearer \xc0\xaf" + token,
        b"Bearer ' OR 1=1 --",
        b"Bearer " + b"x" * 60_000,
        b"Bearer " + b"x" * 1_000_000,
        b"Bearer " + hashlib.sha256(token).hexdigest().encode(),
    ]
    for value in values:
        status, body = ask_raw(target.url, "GET", target.path, b"Authorization: " + value)
        assert status in (0, 400, 401, 431), value[:40]
        assert b"bobs-secret" not in body
    for both in ((bearer("ada"), bearer("bob")), (bearer("bob"), bearer("ada"))):
        assert ask_raw(target.url, "GET", target.path, *both)[0] == 401
    assert ask_raw(target.url, "GET", target.path, bearer("bob"))[0] == 200
    target.check_unharmed()


def described(target: Target) -> list[tuple[str, str]]:
    """Return the methods and paths that the API has, as it says itself."""
    paths = target.ada.http.get("/api/v1/openapi.json").json()["paths"]
    methods = ("get", "put", "post", "delete", "patch")
    return [(method, path) for path, item in paths.items() for method in methods if method in item]


def filled(path: str, target: Target) -> str:
    """Return a path with real names for its parameters."""
    names = {"lease": target.lease["id"], "server": "here", "action": "drain", "kind": "users", "name": "ada"}
    return path.format(**names)


def test_a_user_is_neither_an_agent_nor_an_admin(target: Target) -> None:
    for name in ("here", "elsewhere", "x" * 200):
        for wait_s in (0, 20):
            answer = target.ada.http.post(f"/api/v1/agents/{name}/report?wait_s={wait_s}", json=REPORT)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    admins = [
        (method, path)
        for method, path in described(target)
        if "/quotas" in path or "/servers/" in path or "/agents/" in path
    ]
    assert len(admins) > 5
    for method, path in admins:
        answer = target.ada.http.request(method, filled(path, target))
        assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), (method, path)
    (server,) = target.ada.http.get("/api/v1/servers").json()["servers"]
    assert (server["name"], server["state"]) == ("here", "ready")
    target.check_unharmed()


def test_a_join_token_is_good_for_reports_alone(own_target: Target) -> None:
    target = own_target
    public = {"/healthz", "/api/v1/openapi.json"}
    for method, path in described(target):
        if path not in public and "/agents/" not in path:
            answer = target.join.http.request(method, filled(path, target))
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), (method, path)
    taken = target.join.http.post("/api/v1/agents/here/report", json=REPORT)
    assert (taken.status_code, taken.json()["code"]) == (409, "name-taken")
    assert target.join.http.post("/api/v1/agents/elsewhere/report", json=REPORT).status_code == 200
    target.check_unharmed()


def test_without_a_token_there_is_health_and_the_description_alone(target: Target) -> None:
    nobody = Client(target.url)
    for method, path in described(target):
        if path not in ("/healthz", "/api/v1/openapi.json"):
            answer = nobody.http.request(method, filled(path, target))
            assert (answer.status_code, answer.json()["code"]) == (401, "token"), (method, path)
    target.check_unharmed()


def forgeries(genuine: str) -> dict[str, str]:
    """Return grants that give their bearer the whole GPU instead of what ``genuine`` says."""
    head, payload, signature = genuine.split(".")
    claims = jwt.decode(genuine, options={"verify_signature": False})
    more = {**claims, "gpus": [[gpu, 32768] for gpu, _ in claims["gpus"]]}

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(more)}"
    mac = hmac.new(b"bfkernel", unsigned.encode(), hashlib.sha256).digest()
    own_key = Ed25519PrivateKey.generate()
    return {
        "another payload": f"{head}.{part(more)}.{signature}",
        "no signature": f"{head}.{part(more)}.",
        "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(more)}.",
        "alg nOnE": f"{part({'alg': 'nOnE', 'typ': 'JWT'})}.{part(more)}.{signature}",
        "a MAC": f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "one's own key": jwt.encode(more, own_key, algorithm="EdDSA"),
        "one's own key, named": jwt.encode(
            more, own_key, algorithm="EdDSA", headers={"jku": "http://evil.example"}
        ),
        "a longer life": jwt.encode({**claims, "exp": claims["exp"] + 10**9}, own_key, algorithm="EdDSA"),
        "half of it": genuine[: len(genuine) // 2],
        "something before it": f"x{genuine}",
        "a payload after it": f"{genuine}.{payload}",
        "the pool's token": TOKENS["ada"],
        "nothing": "",
    }


def test_nobody_raises_its_share_by_a_forged_grant(target: Target) -> None:
    own = target.ada.ask(fraction=0.02)
    for how, token in forgeries(own["token"]).items():
        assert Connection(own["agent"], token).greeting["code"] == "token", how
    assert Connection(own["agent"], own["token"]).greeting["limits"] == [655 << 20]
    assert target.ada.lease(own["id"])["memory_mib"] == 655
    target.ada.release(own["id"])


def test_a_grant_ends_with_its_lease(target: Target) -> None:
    connection = Connection(target.lease["agent"], target.lease["token"])
    later = target.bob.heartbeat(target.lease["id"]).json()["token"]
    target.bob.release(target.lease["id"])
    assert connection.ended(), "the agent knows of the end"
    for token in (target.lease["token"], later):
        assert Connection(target.lease["agent"], token).greeting["code"] == "lease-ended"
    assert not target.root.leases()


def test_a_grant_is_good_at_its_own_server_only(
    start: Callable[..., Process], own_target: Target, tmp_path: Path
) -> None:
    target = own_target
    second = start(
        "agent",
        pool=target.url,
        data_port=0,
        name="second",
        join_token=TOKENS["gpu1"],
        state_dir=tmp_path / "2",
    )
    assert Connection(second.ready(), target.lease["token"]).greeting["code"] == "token"
    assert Connection(target.lease["agent"], target.lease["token"]).greeting["ok"]


def test_a_web_page_reaches_no_pool_without_tokens(start: Callable[..., Process]) -> None:
    url = start("serve", port=0, data_port=0).ready()
    here = urlsplit(url).netloc.encode()
    foreign: list[tuple[bytes, ...]] = [
        (b"Host: evil.example",),
        (b"Host: evil.example:%d" % urlsplit(url).port,),
        (b"Host: 127.0.0.1.evil.example",),
        (b"Host: localhost.evil.example",),
        (b"Host: 127.0.0.1@evil.example",),
        (b"Host: 10.0.0.1",),
        (b"Host: 0.0.0.0",),
        (b"Host: [::ffff:10.0.0.1]",),
        (b"Host: ",),
        (b"Host: " + here, b"Host: evil.example"),
        (b"Host: evil.example", b"X-Forwarded-Host: " + here),
        (b"Origin: http://evil.example",),
        (b"Origin: null",),
        (b"Origin: ",),
        (b"Origin: http://127.0.0.1:1",),
        (b"Origin: https://" + here + b".evil.example",),
        (b"Origin: http://evil.example", b"Origin: http://" + here),
    ]
    for headers in foreign:
        for content in (b"application/json", b"text/plain"):
            status, _ = ask_raw(
                url,
                "POST",
                "/api/v1/leases",
                *headers,
                b"Content-Type: " + content,
                body=b'{"fraction": 0.1}',
            )
            assert status in (400, 403), headers
    assert Client(url).leases() == []
    own = ask_raw(url, "POST", "/api/v1/leases", b"Origin: http://" + here, body=b'{"fraction": 0.1}')
    assert own[0] == 201, "the pool's own pages may"
