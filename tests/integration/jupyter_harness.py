# SPDX-License-Identifier: BSD-3-Clause
"""A real Jupyter server, driven as JupyterLab drives it."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.blocking import BlockingKernelClient

from tests.waiting import eventually

from .jupyter_processes import Processes

TOKEN = "a-test"


class Jupyter:
    """A server process and its REST API; kernels are spoken to over their own sockets."""

    def __init__(
        self,
        processes: Processes,
        env: Mapping[str, str],
        root: Path,
        *options: str,
        program: str = "jupyter_server",
    ) -> None:
        self._processes = processes
        self._runtime_dir = Path(env["JUPYTER_RUNTIME_DIR"])
        self.process = processes.start(
            [
                sys.executable,
                "-m",
                program,
                "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0",
                "--ServerApp.open_browser=False",
                "--ServerApp.allow_root=True",
                f"--ServerApp.root_dir={root}",
                f"--IdentityProvider.token={TOKEN}",
                # Tests look at a lease as soon as its kernel has started, also on a busy machine.
                "--FractionalGPUProvisioner.answer_wait_s=20",
                *options,
            ],
            env,
            stdin=subprocess.DEVNULL,
        )
        eventually(self._info, 30, "the Jupyter server's start")
        self._http = httpx.Client(
            base_url=self._info()["url"],
            headers={"Authorization": f"token {TOKEN}"},
            timeout=60,
            trust_env=False,
        )
        eventually(self._answers, 30, "the Jupyter server's first answer")

    def post_session(self, kernel: str, name: str = "a.ipynb") -> httpx.Response:
        """Start a kernel as JupyterLab does when a notebook is opened."""
        body = {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}
        return self._http.post("api/sessions", json=body)

    def start_kernel(self, kernel: str, name: str = "a.ipynb") -> str:
        """Start a kernel and return its id."""
        response = self.post_session(kernel, name)
        assert response.status_code == 201, response.text
        self._processes.remember_children()
        return str(response.json()["kernel"]["id"])

    def kernel(self, kernel_id: str) -> dict[str, Any]:
        return dict(self._http.get(f"api/kernels/{kernel_id}").json())

    def kernels(self) -> list[dict[str, Any]]:
        return list(self._http.get("api/kernels").json())

    @property
    def url(self) -> str:
        """The server's address, with a slash at its end."""
        return str(self._info()["url"])

    def shares(self) -> dict[str, dict[str, Any]]:
        """Ask the server extension what each kernel holds."""
        return dict(self._http.get("bfkernel/api/status").raise_for_status().json()["kernels"])

    def share(self, kernel_id: str) -> dict[str, Any]:
        return self.shares()[kernel_id]

    def shut_down(self, kernel_id: str) -> None:
        self._http.delete(f"api/kernels/{kernel_id}").raise_for_status()

    def restart(self, kernel_id: str) -> None:
        self._http.post(f"api/kernels/{kernel_id}/restart").raise_for_status()

    def interrupt(self, kernel_id: str) -> None:
        self._http.post(f"api/kernels/{kernel_id}/interrupt").raise_for_status()

    def client(self, kernel_id: str) -> AbstractContextManager[Cells]:
        """Speak to a kernel, once it is ready."""
        return cells(self._runtime_dir / f"kernel-{kernel_id}.json")

    def _info(self) -> dict[str, Any]:
        assert self.process.poll() is None, "the Jupyter server has ended"
        for path in self._runtime_dir.glob("jpserver-*.json"):
            try:
                return dict(json.loads(path.read_text()))
            except ValueError:
                continue
        return {}

    def _answers(self) -> bool:
        try:
            return self._http.get("api").is_success
        except httpx.HTTPError:
            return False


@contextmanager
def cells(connection_file: Path) -> Iterator[Cells]:
    """Speak to the kernel of a connection file, once it is ready."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    try:
        # wait_for_ready gives up when a busy machine answers a heartbeat after more than a second.
        eventually(lambda: _is_ready(client), 60, "the kernel's first answer")
        yield Cells(client)
    finally:
        client.stop_channels()


def _is_ready(client: BlockingKernelClient) -> bool:
    client.kernel_info()
    try:
        client.get_shell_msg(timeout=2)
        # The subscription to the output takes a moment longer: what is published before it is lost.
        client.get_iopub_msg(timeout=1)
    except queue.Empty:
        return False
    return True


class Cells:
    """Runs cells in a kernel and collects what a notebook would show."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str, limit_s: float = 60.0) -> str:
        """Run a cell and return its stdout; an error in it is an error here."""
        cell = self.start(code)
        cell.wait(limit_s)
        assert not cell.error, cell.error
        return cell.stdout

    def start(self, code: str) -> Cell:
        """Start a cell without waiting for it."""
        return Cell(self.client, self.client.execute(code))


class Cell:
    """A cell that runs: its output so far, its error."""

    def __init__(self, client: BlockingKernelClient, message_id: str) -> None:
        self._client = client
        self._id = message_id
        self.stdout = self.stderr = self.error = ""
        self.done = False

    def wait(self, limit_s: float) -> Cell:
        """Collect output until the cell ends."""
        give_up = time.monotonic() + limit_s
        while not self.done:
            assert time.monotonic() < give_up, (
                f"the cell ran longer than {limit_s:g} s; stderr: {self.stderr}"
            )
            self.collect(0.2)
        return self

    def collect(self, for_s: float) -> Cell:
        """Collect what arrives within ``for_s`` seconds, until the cell ends; then what comes later."""
        give_up = time.monotonic() + for_s
        ended = self.done
        while self.done == ended and (left := give_up - time.monotonic()) > 0:
            try:
                message = self._client.get_iopub_msg(timeout=left)
            except queue.Empty:
                return self
            if message["parent_header"].get("msg_id") == self._id:
                self._take(message["msg_type"], message["content"])
        return self

    def _take(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
        elif kind == "execute_result":
            self.stdout += content["data"].get("text/plain", "")
        elif kind == "status" and content["execution_state"] == "idle":
            self.done = True
