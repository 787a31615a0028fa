# SPDX-License-Identifier: BSD-3-Clause
"""A JupyterHub on this machine with two courses on an emulated GPU: ``make hub``.

Everybody may log in, without a password, under any name: for trying out, on loopback, and nothing else.
"""

from pathlib import Path

from bfkernel_hub import configure

load_subconfig(str(Path(__file__).parents[1] / "this_machine.py"))

c.JupyterHub.load_groups = {
    "course-a": {"users": ["anna"]},
    "course-b": {"users": ["ben"]},
}

c.BfkernelHub.sizes = [
    {"size": "0.02", "groups": ["course-a"], "course": "Course A"},
    {"size": "0.05", "groups": ["course-b"], "course": "Course B"},
    {"size": "0.1", "groups": ["course-b"], "course": "Course B"},
]
c.BfkernelHub.quotas = {
    "default": {"gpus": 0, "leases": 0},  # who is in no course has no GPU
    "groups": {
        "course-a": {"gpus": 0.04, "leases": 2},
        "course-b": {"gpus": 0.1, "leases": 2},
    },
}

configure(c)
