# SPDX-License-Identifier: BSD-3-Clause
"""As TLJH loads ``examples/tljh/jupyterhub_config.d``, on this machine.

Run by ``tests/hub/jupyterhub_config.py``.
"""
# ruff: noqa: F821

import os
from pathlib import Path

examples = Path(__file__).parents[3] / "examples"
load_subconfig(str(examples / "this_machine.py"))
c.JupyterHub.load_groups = {"cs231n": {"users": ["anna"]}}

# Each file has a ``c`` of its own there: ports, folders and addresses of this machine go into the file.
names = ("state_dir", "service_port", "lease_ttl_s", "poll_s")
here = {
    **{name: c.BfkernelHub[name] for name in names},
    "pool_url": os.environ["BFKERNEL_EXAMPLE_POOL_URL"],
    "pool_token_file": os.environ["BFKERNEL_EXAMPLE_POOL_TOKEN"],
}
lines = "".join(f"c.BfkernelHub.{name} = {value!r}\n" for name, value in here.items())
for file in sorted((examples / "tljh" / "jupyterhub_config.d").glob("*.py")):
    part = Path(os.environ["BFKERNEL_EXAMPLE_STATE"]) / file.name
    part.write_text(file.read_text().replace("\nconfigure(c)\n", f"\n{lines}\nconfigure(c)\n"))
    load_subconfig(str(part))
