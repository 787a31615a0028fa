# SPDX-License-Identifier: BSD-3-Clause
"""What the examples that run on one machine have in common; loaded by their ``jupyterhub_config.py``.

Everybody may log in, without a password, under any name: for trying out, on loopback, and nothing else.
"""

import os
import sys
from pathlib import Path

# What runs in servers and pool may be another installation than the Hub's.
python = os.environ.get("BFKERNEL_EXAMPLE_PYTHON", sys.executable)
state = Path(os.environ.get("BFKERNEL_EXAMPLE_STATE", ".hub")).absolute()
state.mkdir(parents=True, exist_ok=True)


def port(offset: int) -> int:
    return int(os.environ.get("BFKERNEL_EXAMPLE_PORT", "8000")) + offset


c.JupyterHub.bind_url = f"http://127.0.0.1:{port(0)}"
c.JupyterHub.hub_port = port(1)
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port(2)}"
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.ConfigurableHTTPProxy.command = os.environ.get("BFKERNEL_EXAMPLE_PROXY", "configurable-http-proxy").split()
c.JupyterHub.db_url = f"sqlite:///{state}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(state / "cookie-secret")

# Servers run as whoever runs the Hub, each in a folder of its own.
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{state}/home/{{username}}"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}
c.Spawner.cmd = [python, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {
    "PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]),
    "JUPYTERHUB_SINGLEUSER_EXTENSION": "1",
}

c.BfkernelHub.pool_command = [
    *(python, "-m", "bfkernel.cli", "serve"),
    *("--driver=softgpu", "--softgpu-memory=4GiB", "--data-port=0"),
]
c.BfkernelHub.pool_port = port(3)
c.BfkernelHub.service_port = port(4)
c.BfkernelHub.state_dir = str(state / "bfkernel")
c.BfkernelHub.lease_ttl_s = float(os.environ.get("BFKERNEL_EXAMPLE_TTL_S", "60"))
c.BfkernelHub.poll_s = float(os.environ.get("BFKERNEL_EXAMPLE_POLL_S", "15"))
