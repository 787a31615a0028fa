# SPDX-License-Identifier: BSD-3-Clause
"""The local example's Hub and courses, with a pool that stands alone: see README.md beside this file."""

import os
from pathlib import Path

c.BfkernelHub.pool_url = os.environ.get("BFKERNEL_EXAMPLE_POOL_URL", "http://127.0.0.1:8790")
c.BfkernelHub.pool_token_file = os.environ.get("BFKERNEL_EXAMPLE_POOL_TOKEN", ".hub/admin-token")

local = Path(__file__).parents[1] / "local" / "jupyterhub_config.py"
exec(compile(local.read_text(), local, "exec"))
