# SPDX-License-Identifier: BSD-3-Clause
"""A real JupyterHub with its proxy, its service and single-user servers."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx

from tests.integration.jupyter_harness import Cells, cells
from tests.integration.jupyter_processes import Processes
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
CONFIG = Path(__file__).parent / "jupyterhub_config.py"
TTL_S = 15.0  # a busy machine must not lose leases whose holders live
POLL_S = 1.0
# Starts of a Hub, a server and a kernel import a lot; a busy machine takes its time over it.
LIMIT_S = 90.0
_PORTS = 5


def environment_of(version: str) -> Path | None:
    """Return the commands' folder of a JupyterHub of that major version; 6 is in the tests' own."""
    own = Path(sys.executable).parent
    folder = REPOSITORY / f".venv-hub{version}" / "bin" if version != "6" else own
    return folder if (folder / "jupyterhub").exists() else None


def proxy_command() -> str | None:
    """Return the command of the Hub's proxy, or None."""
    script = REPOSITORY / ".hub-node/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return f"{node} {script}" if node and script.exists() else None


def free_ports(count: int) -> int:
    """Return the first of ``count`` neighbouring ports that are free."""
    while True:
        first = 20000 + secrets.randbelow(30000)
        taken = [socket.socket() for _ in range(count)]
        try:
            for offset, taker in enumerate(taken):
                taker.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        finally:
            for taker in taken:
                taker.close()
        return first


class Hub:
    """A running Hub; what needs an admin is asked for with a token of the tests' own service."""

    #: kind and name of the quota that comes last to the pool; without it nobody is let down
    last_quota = ("groups", "course-b")

    def __init__(self, processes: Processes, folder: Path, state: Path, config: Path = CONFIG) -> None:
        self._processes = processes
        self._config = config
        self._python = folder / "python"
        self.state = state
        port = free_ports(_PORTS)
        token = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{port}"
        self.api_url = f"http://127.0.0.1:{port + 1}/hub/api"
        self.pool = httpx.Client(base_url=f"http://127.0.0.1:{port + 3}/api/v1", timeout=30, trust_env=False)
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"token {token}"},
            timeout=LIMIT_S,
            trust_env=False,
        )
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("BFKERNEL_", "JUPYTER"))},
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "hub_plugin"),
            "BFKERNEL_EXAMPLE_STATE": str(state),
            "BFKERNEL_EXAMPLE_PORT": str(port),
            "BFKERNEL_EXAMPLE_PROXY": proxy_command() or "",
            "BFKERNEL_EXAMPLE_PYTHON": sys.executable,
            "BFKERNEL_EXAMPLE_TTL_S": str(TTL_S),
            "BFKERNEL_EXAMPLE_POLL_S": str(POLL_S),
            "TESTS_API_TOKEN": token,
            "TESTS_CULLER_TOKEN": secrets.token_hex(16),
            "TESTS_EXAMPLE": "local",
        }

    def use_pool(self, url: str, token_file: Path) -> None:
        """Use a pool that stands alone; the file holds an admin's token of it."""
        self.environment |= {
            "BFKERNEL_EXAMPLE_POOL_URL": url,
            "BFKERNEL_EXAMPLE_POOL_TOKEN": str(token_file),
        }
        self.pool = httpx.Client(base_url=f"{url}/api/v1", timeout=30, trust_env=False)

    def start(self) -> None:
        """Start it, and wait until students can use it."""
        command = [str(self._python), "-m", "jupyterhub", "-f", str(self._config)]
        self.process = self._processes.start(command, self.environment)
        eventually(self._ready, LIMIT_S, "the Hub's and the pool's first answers")
        self._processes.remember_children()

    def restart(self) -> None:
        """Kill it, and start it again as an operator would."""
        self.process.kill()
        self.process.wait(LIMIT_S)
        self.start()

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_S)

    def _ready(self) -> bool:
        assert self.process.poll() is None, "the Hub has ended"
        try:
            kind, name = self.last_quota
            known = self.quotas()[kind]
            return name in known and self.http.get("/hub/api/").is_success
        except (httpx.HTTPError, OSError, KeyError):
            return False

    def pool_admin(self) -> dict[str, str]:
        """Return the headers of the service's own requests to the pool."""
        if file := self.environment.get("BFKERNEL_EXAMPLE_POOL_TOKEN"):
            token = Path(file).read_text()
        else:
            token = (self.state / "bfkernel" / "hub-tokens").read_text().split()[1]
        return {"Authorization": f"Bearer {token}"}

    def quotas(self) -> dict[str, Any]:
        """Return the pool's quotas by kind, as an admin sees them."""
        return dict(self.pool.get("/quotas", headers=self.pool_admin()).json())

    def leases(self) -> list[dict[str, Any]]:
        """Return everybody's live leases."""
        return list(self.pool.get("/leases", headers=self.pool_admin()).json()["leases"])

    def leases_of(self, user: str) -> list[dict[str, Any]]:
        return [lease for lease in self.leases() if lease["user"] == user]

    def api(self, method: str, path: str, **arguments: Any) -> Any:
        """Ask the Hub's API as an admin."""
        answer = self.http.request(method, f"/hub/api{path}", **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def add_user(self, name: str, *groups: str) -> Student:
        """Make a user who is in these groups."""
        self.api("POST", f"/users/{name}")
        for group in groups:
            self.api("POST", f"/groups/{group}/users", json={"users": [name]})
        return self.user(name)

    def user(self, name: str) -> Student:
        """Return a user whom the configuration makes."""
        return Student(self, name, self.state / "home" / name)

    def set_property(self, group: str, value: Any) -> None:
        """Set a group's property ``bfkernel``, as the Hub's admin page does."""
        self.api("PUT", f"/groups/{group}/properties", json={"bfkernel": value})

    def start_culler(self, timeout_s: int) -> subprocess.Popen[str]:
        """Start jupyterhub-idle-culler, which stops servers that nobody has used for so long."""
        return self._processes.start(
            [
                *(sys.executable, "-m", "jupyterhub_idle_culler"),
                *("--cull-every=2", f"--timeout={timeout_s}", f"--url={self.api_url}"),
            ],
            {**self.environment, "JUPYTERHUB_API_TOKEN": self.environment["TESTS_CULLER_TOKEN"]},
        )

    def remember_children(self) -> None:
        self._processes.remember_children()


class Student:
    """A user of the Hub with a server."""

    def __init__(self, hub: Hub, name: str, home: Path) -> None:
        self._hub = hub
        self.name = name
        self._home = home

    def start_server(self) -> None:
        """Start the server and wait until it answers."""
        path = f"/users/{self.name}/server"
        answer = self._hub.http.post(f"/hub/api{path}")
        assert answer.status_code in (201, 202), answer.text
        eventually(self._answers, LIMIT_S, f"the server of {self.name}")
        self._hub.remember_children()

    def use_server(self) -> None:
        """Tell the Hub that somebody works, as the server does by itself every few minutes."""
        now = datetime.now(timezone.utc).isoformat()
        body = {"last_activity": now, "servers": {"": {"last_activity": now}}}
        self._hub.api("POST", f"/users/{self.name}/activity", json=body)

    def stop_server(self) -> None:
        self._hub.api("DELETE", f"/users/{self.name}/server")
        eventually(lambda: not self._model()["servers"], LIMIT_S, "the server's end")

    def _model(self) -> dict[str, Any]:
        return dict(self._hub.api("GET", f"/users/{self.name}"))

    def _answers(self) -> bool:
        server = self._model()["servers"].get("")
        return bool(server and server["ready"]) and self.ask("GET", "status").is_success

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask the server's API, through the Hub's proxy."""
        return self._hub.http.request(method, f"/user/{self.name}/api/{path}", **arguments)

    def sizes(self) -> dict[str, str]:
        """Return the GPU kernels that the launcher shows: names by name."""
        specs = self.ask("GET", "kernelspecs").json()["kernelspecs"]
        return {name: s["spec"]["display_name"] for name, s in specs.items() if name.startswith("gpu")}

    def post_session(self, kernel: str, notebook: str = "a.ipynb") -> httpx.Response:
        body = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": kernel}}
        return self.ask("POST", "sessions", json=body)

    def start_kernel(self, kernel: str, notebook: str = "a.ipynb") -> str:
        answer = self.post_session(kernel, notebook)
        assert answer.status_code == 201, answer.text
        self._hub.remember_children()
        return str(answer.json()["kernel"]["id"])

    def shut_down(self, kernel_id: str) -> None:
        assert self.ask("DELETE", f"kernels/{kernel_id}").status_code == 204

    def cells(self, kernel_id: str) -> AbstractContextManager[Cells]:
        return cells(self._home / ".local/share/jupyter/runtime" / f"kernel-{kernel_id}.json")

    def run(self, kernel_id: str, code: str) -> str:
        """Run a cell and return what it prints."""
        with self.cells(kernel_id) as kernel:
            return kernel.run(code, limit_s=LIMIT_S)

    def server_token(self, kernel_id: str) -> str:
        """Return the token of the server, as any of the student's programs can."""
        return self.run(kernel_id, "import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()


class Browser:
    """Somebody logged in at the Hub, by its pages."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.http = httpx.Client(base_url=hub.url, timeout=LIMIT_S, follow_redirects=True, trust_env=False)
        xsrf = _hidden(self.http.get("/hub/login").text)
        answer = self.http.post(
            "/hub/login?next=/hub/home", data={"username": name, "password": "", "_xsrf": xsrf}
        )
        assert "/hub/home" in str(answer.url), answer.text
        self.home = answer.text

    def my_gpu(self) -> str:
        """Open the page "My GPU"."""
        answer = self.http.get("/services/bfkernel/")
        assert answer.status_code == 200, answer.text
        return answer.text

    def release(self, lease_id: str) -> httpx.Response:
        """Press the button."""
        xsrf = _hidden(self.my_gpu())
        return self.http.post("/services/bfkernel/", data={"lease": lease_id, "_xsrf": xsrf})


def _hidden(page: str) -> str:
    found = re.search(r'name="_xsrf"\s+value="([^"]+)"|xsrf_token: "([^"]+)"', page)
    assert found, page
    return found[1] or found[2]
