# SPDX-License-Identifier: BSD-3-Clause
"""What the chart's Hub would make of ``examples/zero-to-jupyterhub/values.yaml``, on this machine.

Run by ``tests/hub/jupyterhub_config.py``, and with a ``c`` of its own by ``test_zero_to_jupyterhub.py``.
"""
# ruff: noqa: F821

import os
from pathlib import Path

import yaml

examples = Path(__file__).parents[3] / "examples"
values = yaml.safe_load((examples / "zero-to-jupyterhub" / "values.yaml").read_text())["hub"]
for section, settings in values["config"].items():
    c[section].update(settings)

if "BFKERNEL_EXAMPLE_PORT" in os.environ:  # ports, folders and addresses of this machine
    load_subconfig(str(examples / "this_machine.py"))
    c.BfkernelHub.pool_url = os.environ["BFKERNEL_EXAMPLE_POOL_URL"]
    c.BfkernelHub.pool_token_file = os.environ["BFKERNEL_EXAMPLE_POOL_TOKEN"]
    c.BfkernelHub.service_host = "127.0.0.1"
    c.BfkernelHub.service_url = ""

for _, code in sorted(values["extraConfig"].items()):
    exec(code)
