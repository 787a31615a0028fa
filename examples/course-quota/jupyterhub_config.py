# SPDX-License-Identifier: BSD-3-Clause
"""Courses with quotas of their own, on this machine with an emulated GPU: see README.md beside this file."""

from pathlib import Path

from bfkernel_hub import configure

here = Path(__file__).parent
load_subconfig(str(here.parent / "this_machine.py"))

c.JupyterHub.load_groups = {
    "cs231n": {"users": ["anna", "ben", "tara"]},
    "ml-lab": {
        "users": ["ben"],
        # What the course's staff writes on the Hub's admin page goes over the quotas below, field by field.
        "properties": {"bfkernel": {"gpus": 0.1, "sizes": ["0.05", "0.1"], "course": "ML lab, this week"}},
    },
}

c.BfkernelHub.sizes = [
    {"size": "0.01", "name": "GPU, to try out"},  # for everybody, and charged to the user
    {"size": "0.02", "groups": ["cs231n"], "course": "CS 231n"},  # charged to the course
    {"size": "0.05", "groups": ["cs231n"], "course": "CS 231n"},
    {"size": "0.2", "groups": ["ml-lab"], "course": "ML lab"},
]
c.BfkernelHub.quotas = {
    # Who has no other quota.
    "default": {"gpus": 0.01, "leases": 1, "gpu_hours_per_day": 0.1},
    # Each member, for leases that count for the course.
    "groups": {
        "cs231n": {"gpus": 0.05, "leases": 2, "gpu_hours_per_week": 2, "longest_idle_s": 1800},
        "ml-lab": {"gpus": 0.5, "leases": 4, "gpu_hours_per_term": 40},
    },
    # All members together.
    "totals": {"cs231n": {"gpus": 0.08}},
    # A user's own quota goes before the groups'.
    "users": {"tara": {"gpus": "unlimited", "leases": "unlimited", "priority": 10}},
}
# When days, weeks and terms begin.
c.BfkernelHub.pool_command = [*c.BfkernelHub.pool_command, f"--config={here / 'bfkernel_config.py'}"]

configure(c)
