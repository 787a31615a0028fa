# SPDX-License-Identifier: BSD-3-Clause
"""Open JupyterLab on the ``notebooks`` folder against a pool with one emulated GPU; Ctrl-C ends both."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from demo import ROOT, running_pool


def main() -> int:
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        [str(ROOT / "share" / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
    )
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        [str(ROOT / "etc" / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    )
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory(prefix="bfkernel-lab-") as state, running_pool(Path(state)) as url:
        os.environ["BFKERNEL_POOL_URL"] = url
        command = [sys.executable, "-m", "jupyter", "lab", "--notebook-dir", str(ROOT / "notebooks")]
        if os.geteuid() == 0:
            command.append("--allow-root")  # in a container there is often nobody else
        try:
            return subprocess.run([*command, *sys.argv[1:]], check=False).returncode
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
