# SPDX-License-Identifier: BSD-3-Clause
"""Run the main job once: a pool with an emulated GPU, and the quickstart notebook on the kernel "GPU 0.02".

Prints what the notebook printed, the lease while it ran, and the pool's lease table after. Exits with 0 only
if every cell succeeded and the share went back to the pool. The executed notebook and its picture go to the
folder given with ``--keep``.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
START_LIMIT_S = 60
CELL_LIMIT_S = 300
RELEASE_LIMIT_S = 10
EXPECTED_TOTAL = "total memory: 655 MiB"


@contextlib.contextmanager
def running_pool(state_dir: Path) -> Iterator[str]:
    """Start ``bfkernel serve`` with one emulated GPU of 32 GiB; yield its URL; end it."""
    command = [
        sys.executable,
        "-m",
        "bfkernel.cli.main",
        "serve",
        "--port",
        "0",
        "--data-port",
        "0",
        "--driver",
        "softgpu",
    ]
    command += ["--softgpus", "1", "--softgpu-memory", "32GiB", "--state-dir", str(state_dir)]
    with (state_dir / "serve.log").open("w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield _ready_url(server, state_dir / "serve.log")
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _ready_url(server: subprocess.Popen[str], log: Path) -> str:
    assert server.stdout is not None
    readable, _, _ = select.select([server.stdout], [], [], START_LIMIT_S)
    line = server.stdout.readline().split() if readable else []
    if len(line) != 2 or line[0] != "ready":
        sys.exit(f"The pool did not start within {START_LIMIT_S} s. Its log:\n{log.read_text()}")
    return line[1]


def lease_table() -> list[dict[str, object]]:
    """Return the pool's live leases, as ``bfkernel leases --json`` prints them."""
    command = [sys.executable, "-m", "bfkernel.cli.main", "leases", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout)


def summary(lease: dict[str, object]) -> dict[str, object]:
    """Return what a reader wants to see of a lease."""
    return {
        name: lease[name] for name in ("id", "state", "size", "fraction", "memory_mib", "held_mib", "server")
    }


class LeaseWatch(threading.Thread):
    """Looks at the pool's lease table while the notebook runs and keeps the last non-empty one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[dict[str, object]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(1.0):
            self.seen = lease_table() or self.seen


def execute_notebook() -> nbformat.NotebookNode:
    """Execute the quickstart on ``gpu-0.02``, printing each cell's text as it comes."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_LIMIT_S, kernel_name="gpu-0.02", on_cell_executed=_print_outputs
    )
    client.execute()
    return notebook


def _print_outputs(cell: nbformat.NotebookNode, **_: object) -> None:
    """Print a cell's text. Called by nbclient after each cell."""
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            print("  " + output["text"].rstrip().replace("\n", "\n  "), flush=True)


def save(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Write the executed notebook and the loss curve to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / "quickstart.ipynb")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).get("image/png")
            if picture:
                (folder / "loss.png").write_bytes(base64.b64decode(picture))
    print(f"executed notebook and loss curve: {folder}")


def wait_until_released() -> list[dict[str, object]]:
    """Return the lease table as soon as it is empty, or what it holds after the limit."""
    deadline = time.monotonic() + RELEASE_LIMIT_S
    while (table := lease_table()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, default=ROOT / ".demo", help="folder for the executed notebook")
    keep = parser.parse_args().keep
    # The checked-in kernelspecs serve as they are; the interpreter of this environment runs the kernel.
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        [str(ROOT / "share" / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
    )
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory(prefix="bfkernel-demo-") as state, running_pool(Path(state)) as url:
        os.environ["BFKERNEL_POOL_URL"] = url
        print(
            f"pool: {url}, one emulated GPU of 32 GiB\nnotebooks/quickstart.ipynb on the kernel gpu-0.02:",
            flush=True,
        )
        watch = LeaseWatch()
        watch.start()
        try:
            notebook = execute_notebook()
        except CellExecutionError as error:
            print(f"a cell failed:\n{error}", file=sys.stderr)
            return 1
        finally:
            watch.stopped.set()
            watch.join()
        after = wait_until_released()
    save(notebook, keep)
    print(f"the lease while it ran: {json.dumps([summary(lease) for lease in watch.seen])}")
    print(f"the pool's leases after: {json.dumps(after)}")
    texts = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    problems = []
    if EXPECTED_TOTAL not in texts:
        problems.append(f"the program did not see '{EXPECTED_TOTAL}'")
    if not watch.seen:
        problems.append("no lease was seen while the notebook ran")
    if after:
        problems.append(f"the share did not go back to the pool within {RELEASE_LIMIT_S} s")
    for problem in problems:
        print(f"demo failed: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
