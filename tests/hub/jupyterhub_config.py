# SPDX-License-Identifier: BSD-3-Clause
"""An example as an admin would have it who has set things of her own before."""
# ruff: noqa: F821

import os
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / os.environ["TESTS_EXAMPLE"] / "jupyterhub_config.py"
SCOPES = [
    *("admin:users", "admin:servers", "admin:groups", "tokens", "access:servers"),
    *("list:services", "read:roles", "read:metrics"),
]
# As jupyterhub-idle-culler asks for them; the test that is about it runs it.
CULLER_SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]


def note_start(spawner):
    (Path(os.environ["BFKERNEL_EXAMPLE_STATE"]) / f"started-{spawner.user.name}").touch()


c.JupyterHub.services = [
    {"name": "tests", "api_token": os.environ["TESTS_API_TOKEN"]},
    {"name": "culler", "api_token": os.environ["TESTS_CULLER_TOKEN"]},
]
c.JupyterHub.load_roles = [
    {"name": "tests", "services": ["tests"], "scopes": SCOPES},
    {"name": "culler", "services": ["culler"], "scopes": CULLER_SCOPES},
]
c.Spawner.pre_spawn_hook = note_start

__file__ = str(EXAMPLE)
exec(compile(EXAMPLE.read_text(), EXAMPLE, "exec"))
# A busy machine answers late; the tests are about what the answer is.
c.Spawner.args = [*c.Spawner.args, "--FractionalGPUProvisioner.answer_wait_s=20"]
