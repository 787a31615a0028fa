# SPDX-License-Identifier: BSD-3-Clause
"""Single-user servers that are forked from a process which has imported all that they need."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from jupyterhub.utils import random_port

_LIMIT_S = 30.0


def socket_path() -> Path:
    """Return where the process that forks listens, in the example's folder."""
    return Path(os.environ["BFKERNEL_EXAMPLE_STATE"]) / "fork.socket"


class ForkingSpawner(SimpleLocalProcessSpawner):
    """Has a server forked; how it is looked after and stopped is what JupyterHub does with any process."""

    async def start(self) -> tuple[str, int]:
        """Start the server. The Hub calls this."""
        self.port = random_port()
        wanted = {"args": self.get_args(), "env": self.get_env(), "home": self.home_dir}
        reader, writer = await asyncio.open_unix_connection(str(socket_path()))
        writer.write(json.dumps(wanted).encode() + b"\n")
        self.pid = int(await asyncio.wait_for(reader.readline(), _LIMIT_S))
        writer.close()
        return ("127.0.0.1", self.port)


def serve(path: str) -> None:
    """Fork a server for each line that comes, until the Hub is gone."""
    # What any server imports by its first plain kernel, and with the kernelspecs what bfkernel does.
    import IPython.paths  # noqa: F401
    import psutil  # noqa: F401
    from jupyterhub.singleuser import extension

    import benchmarks.light.kernels  # noqa: F401

    gc.freeze()  # else each child's first collection copies all of this process

    hub = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(100)
    listener.settimeout(1.0)
    while os.getppid() == hub:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(_LIMIT_S)
            wanted = json.loads(connection.makefile().readline())
            child = os.fork()
            if child == 0:
                listener.close()
                _become(wanted, extension.main)
            connection.sendall(f"{child}\n".encode())


def _become(wanted: dict[str, Any], main: Any) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    Path(wanted["home"]).mkdir(parents=True, exist_ok=True)
    os.chdir(wanted["home"])
    os.environ.clear()
    os.environ.update({**wanted["env"], "HOME": wanted["home"]})
    sys.argv = ["jupyterhub-singleuser", *wanted["args"]]
    try:
        main()
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
