# SPDX-License-Identifier: BSD-3-Clause
"""The local example with a class of students, and light servers and kernels.

Light are two things. A single-user server is JupyterHub's own, but forked from a process that has done the
imports, and with no extension but JupyterHub's (no JupyterLab). A kernel is a process of its own that answers
``kernel_info``, and cannot do more: see `kernel.py`.
"""

# ruff: noqa: F821

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "local" / "jupyterhub_config.py"
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.light.forking import ForkingSpawner, socket_path  # noqa: E402

__file__ = str(EXAMPLE)
c.JupyterHub.services = [{"name": "tests", "api_token": os.environ["TESTS_API_TOKEN"]}]
c.JupyterHub.load_roles = [{"name": "tests", "services": ["tests"], "scopes": ["admin:users"]}]
exec(compile(EXAMPLE.read_text(), EXAMPLE, "exec"))

c.JupyterHub.load_groups = {"course-a": {"users": os.environ["LIGHT_STUDENTS"].split()}, "course-b": {}}
c.JupyterHub.spawner_class = ForkingSpawner
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.kernel_spec_manager_class=benchmarks.light.kernels.LightKernels",
]
c.Spawner.environment["JUPYTERHUB_SINGLEUSER_LOAD_OTHER_EXTENSIONS"] = "0"
# The class is what is measured, and not at which instant the Hub gives up on it.
c.Spawner.start_timeout = c.Spawner.http_timeout = 300

subprocess.Popen(
    [sys.executable, "-m", "benchmarks.light.forking", str(socket_path())],
    cwd=HERE.parents[1],
    env={**os.environ, **c.Spawner.environment},
    stdin=subprocess.DEVNULL,
)
