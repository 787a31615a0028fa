# SPDX-License-Identifier: BSD-3-Clause
"""Real pools and agents as processes, with a small worker and driver in place of the native ones.

The worker here does what an agent can see of the real one: it greets, holds bytes in the ledger, says
farewell when it is told to end, and ends with its connection. The driver has GPUs of its own naming and
nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 20.0

_WORKER = """\
#!{python}
import argparse, ctypes, json, mmap, os, signal, socket, struct, threading
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
p = argparse.ArgumentParser()
for name in ("--socket-fd", "--ledger-fd", "--control-fd", "--slot"):
    p.add_argument(name, type=int)
for name in ("--driver", "--lease", "--code-cache", "--code-cache-size"):
    p.add_argument(name)
p.add_argument("--limit", type=int, action="append")
o = p.parse_args()
m = mmap.mmap(o.ledger_fd, 65536)
at = 512 + 192 * o.slot
struct.pack_into("<IIQQQ", m, at, os.getpid(), 0, 1_700_000_000_000_000_000, 1, 3 << 20)
s = socket.socket(fileno=o.socket_fd)
facts = dict(ok=True, lease=o.lease, limits=o.limit, pid=os.getpid(), slot=o.slot, driver=o.driver,
             visible=os.environ["CUDA_VISIBLE_DEVICES"], blocking=os.get_blocking(o.socket_fd),
             token_in_environment="BFKERNEL_TOKEN" in os.environ,
             thread_percentage=os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"))
b = json.dumps(facts).encode()
s.sendall(b"BFKERNEL" + struct.pack("<I", len(b)) + b)
def listen():
    line = socket.socket(fileno=o.control_fd)
    while word := line.recv(4096):
        if reason := json.loads(word).get("end", "").encode():
            s.sendall(struct.pack("<IHHIIQ", len(reason), 3, 0, 0, 0, 0) + reason)
            os._exit(0)
threading.Thread(target=listen, daemon=True).start()
try:
    while d := s.recv(4096):
        s.sendall(d)
except ConnectionError:
    pass
"""

_DRIVER = """
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}
int cuInit(unsigned f) { return 0; }
int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuDeviceGetCount(int* n) { *n = number("TEST_GPUS", 1); return 0; }
int cuDeviceGet(int* d, int o) { *d = o; return 0; }
int cuDeviceGetName(char* n, int l, int d) { strncpy(n, "Test GPU", l); return 0; }
int cuDeviceTotalMem_v2(size_t* s, int d) { *s = (size_t)number("TEST_GPU_MIB", 32768) << 20; return 0; }
int cuDeviceGetUuid(unsigned char* u, int d) { memset(u, 7 + d, 16); return 0; }
"""


def make_native_dir(folder: Path) -> Path:
    """Fill a folder with the worker and the driver."""
    folder.mkdir(exist_ok=True)
    worker = folder / "bfkernel-worker"
    worker.write_text(_WORKER.replace("{python}", sys.executable))
    worker.chmod(0o755)
    source = folder / "driver.c"
    source.write_text(_DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", folder / "driver.so", source], check=True)
    return folder


_OPTIONS = {
    "serve": "ServeOptions(PoolOptions(**of(PoolOptions)), AgentOptions(**of(AgentOptions)))",
    "pool": "PoolOptions(**options)",
    "agent": "AgentOptions(**options)",
}


class Process:
    """A pool, an agent or both, started by ``run_…(options)`` as the command line does."""

    def __init__(
        self, what: str, native: Path, log: Path, /, environment: dict[str, str] | None = None, **options: Any
    ):
        self.log = log
        code = textwrap.dedent(
            f"""
            import sys
            from pathlib import Path, PosixPath
            from bfkernel.remote.serve import *
            options = {options!r}
            def of(owner):
                return {{name: value for name, value in options.items() if owner.class_traits().get(name)}}
            try:
                sys.exit(run_{what}({_OPTIONS[what]}))
            except ConfigurationError as error:
                sys.exit(str(error))
            """
        )
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BFKERNEL_", "TEST_"))}
        paths = [str(REPOSITORY), inherited.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            text=True,
            env={
                **inherited,
                "PYTHONPATH": ":".join(p for p in paths if p),
                "BFKERNEL_NATIVE_DIR": str(native),
                **(environment or {}),
            },
        )
        self.where = ""

    def ready(self) -> str:
        """Wait for the line ``ready …`` and return what it names."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("ready "), f"{line!r}, exit {self.process.poll()}: {self.log.read_text()}"
        self.where = line.split()[1]
        return self.where

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Client:
    """A holder, by HTTP."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S, trust_env=False)

    def ask(self, **request: Any) -> dict[str, Any]:
        answer = self.http.post("/api/v1/leases", json=request)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def lease(self, lease_id: str, **params: Any) -> dict[str, Any]:
        answer = self.http.get(f"/api/v1/leases/{lease_id}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def leases(self, **params: Any) -> list[dict[str, Any]]:
        return self.http.get("/api/v1/leases", params=params).json()["leases"]

    def heartbeat(self, lease_id: str) -> httpx.Response:
        return self.http.post(f"/api/v1/leases/{lease_id}/heartbeat")

    def release(self, lease_id: str) -> dict[str, Any]:
        answer = self.http.delete(f"/api/v1/leases/{lease_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def gpus(self) -> list[dict[str, Any]]:
        return self.http.get("/api/v1/gpus").json()["gpus"]


class Connection:
    """A data connection as the shim makes it."""

    def __init__(self, address: str, token: str, greeting: bytes | None = None) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=LIMIT_S)
        body = json.dumps({"protocol": 1, "token": token, "pid": os.getpid(), "program": "test"}).encode()
        # What follows the greeting at once is the worker's to read.
        self.socket.sendall(greeting or b"BFKERNEL" + struct.pack("<I", len(body)) + body + b"first frame")
        self.greeting = self._read_greeting()

    def echo(self, count: int) -> bytes:
        received = b""
        while len(received) < count and (part := self.socket.recv(count - len(received))):
            received += part
        return received

    def ended(self) -> bool:
        """Wait for the other side to end the connection."""
        self.last_words()
        return True

    def last_words(self) -> str:
        """Wait for the other side to end the connection, and return why it says that it does."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := self.socket.recv(65536):
                received += part
        farewell = received.rpartition(struct.pack("<HHIIQ", 3, 0, 0, 0, 0))
        return farewell[2].decode() if farewell[1] else ""

    def close(self) -> None:
        self.socket.close()

    def _read_greeting(self) -> dict[str, Any]:
        head = self.echo(12)
        assert head[:8] == b"BFKERNEL", head
        return json.loads(self.echo(struct.unpack("<I", head[8:])[0]))
