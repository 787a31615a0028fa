# SPDX-License-Identifier: BSD-3-Clause
"""A Hub that lets in who has a size, and nobody else; run by ``tests/hub/jupyterhub_config.py``."""
# ruff: noqa: F821

from pathlib import Path

c.BfkernelHub.only_with_sizes = True
local = Path(__file__).parents[3] / "examples" / "local" / "jupyterhub_config.py"
__file__ = str(local)
exec(compile(local.read_text(), local, "exec"))
