# SPDX-License-Identifier: BSD-3-Clause
"""bfkernel on The Littlest JupyterHub: ``/opt/tljh/config/jupyterhub_config.d/bfkernel.py``.

TLJH gives each of these files a configuration of its own and joins them afterwards. So what is to be joined
with bfkernel's (``pre_spawn_hook``, ``post_stop_hook``, the role ``user``) belongs in here, above
``configure``.
"""

from bfkernel_hub import configure

c.BfkernelHub.pool_url = "http://127.0.0.1:8766"
c.BfkernelHub.pool_token_file = "/etc/bfkernel/admin-token"
c.BfkernelHub.state_dir = "/opt/tljh/state/bfkernel"

c.BfkernelHub.sizes = [
    {"size": "0.02"},
    {"size": "0.1", "groups": ["cs231n"], "course": "CS 231n"},
]
c.BfkernelHub.quotas = {
    "default": {"gpus": 0.04, "leases": 2},
    "groups": {"cs231n": {"gpus": 0.2, "gpu_hours_per_week": 20}},
}
c.BfkernelHub.idle_timeout_s = 1800

configure(c)
