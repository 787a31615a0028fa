# SPDX-License-Identifier: BSD-3-Clause
"""The options of a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from traitlets import Bool, Dict, Instance, Integer, List, TraitError, Unicode, default, validate

from bfkernel.remote.options import Duration, FilePath, ServerOptions
from bfkernel.remote.pool.auth import HubOptions
from bfkernel.remote.pool.core import Calendar, Policy, Times
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.quota_settings import read_quotas

_DAY_S = 86400.0
_ABSENT_AFTER_S = 10.0


class PoolOptions(ServerOptions):
    """The pool: who may hold how much, where it listens, where it keeps its state."""

    host = Unicode("127.0.0.1", help="The address to listen on for requests.").tag(config=True)

    port = Integer(8765, min=0, max=65535, help="The port for requests; 0 is a free one.").tag(config=True)

    database_url = Unicode(
        None,
        allow_none=True,
        help="""SQLAlchemy's URL of a database, instead of a file in the state directory.

        postgresql://USER@HOST/NAME (PostgreSQL 14 or newer, pip install 'bfkernel[postgresql]') or
        sqlite:///PATH. One with a password belongs into the variable, not onto the command line.
        """,
    ).tag(config=True, metavar="URL", envvar="BFKERNEL_DATABASE_URL")

    advertise = Unicode(
        None,
        allow_none=True,
        help="""The URL at which other replicas of a pool on PostgreSQL reach this one.

        Unless said, it is where it listens.
        """,
    ).tag(config=True, metavar="URL", serve=False)

    lease_ttl_s = Duration(
        "60s",
        at_least_s=0.1,
        at_most_s=_DAY_S,
        help="""How long a lease lives without proof of its holder's life.""",
    ).tag(config=True)

    token_file = FilePath(
        None,
        allow_none=True,
        help="""Who may ask: a file with lines 'user token [role] [group,group]', mode 0600.

        This or a Hub is needed wherever anybody but this machine can reach the pool.
        """,
    ).tag(config=True)

    jupyterhub = Bool(
        False,
        help="""Be a service of the JupyterHub whose variables are set.

        What the three options of the Hub do not say comes from JUPYTERHUB_API_URL, JUPYTERHUB_API_TOKEN and
        JUPYTERHUB_SERVICE_NAME.
        """,
    ).tag(config=True)

    hub_api_url = Unicode(
        None, allow_none=True, help="""The API of the JupyterHub whose users may ask, .../hub/api."""
    ).tag(config=True, metavar="URL")

    hub_api_token_file = FilePath(
        None, allow_none=True, help="""A file, mode 0600, with the pool's own token of the Hub."""
    ).tag(config=True)

    hub_service_name = Unicode(
        None, allow_none=True, help="""The pool's name as a service of the Hub; bfkernel unless said."""
    ).tag(config=True, metavar="NAME")

    #: what these four come to; see :func:`hub_options`
    hub = Instance(HubOptions, allow_none=True)

    #: a section of its own in a configuration file
    dashboard = Instance(DashboardOptions)

    quotas = Dict(
        help="""What users and groups may hold. An admin can change it at run time ('bfkernel admin quota').

        'default' is for everybody, 'users' and 'groups' for one user and for each member of a group, 'totals'
        for all members of a group together. Limits: gpus (0.5 is half of one), leases, memory_mib,
        gpu_hours_per_day, gpu_hours_per_week, gpu_hours_per_term, longest_lease_s, longest_idle_s,
        longest_queue_s (each may be "unlimited"), priority, and weight (in the fair share of the queue). What
        is not said is not limited by this quota::

            c.PoolOptions.quotas = {
                "default": {"gpus": 0.1, "longest_idle_s": "30min"},
                "groups": {"cs231n": {"gpus": 0.5, "gpu_hours_per_week": 10}},
                "totals": {"cs231n": {"gpus": 4}},
                "users": {"ada": {"gpus": 2, "priority": 10}},
            }
        """
    ).tag(config=True)

    time_zone = Unicode("UTC", help="The time zone in which days, weeks and terms begin.").tag(
        config=True, metavar="NAME"
    )

    term_starts = List(
        Unicode(),
        help="""The first days of terms, for limits by term: ["2026-10-01", "2027-04-01"].""",
    ).tag(config=True)

    idle_grace_s = Duration(
        "5min",
        at_most_s=30 * _DAY_S,
        help="""How long an idle lease is left to its holder after the warning.""",
    ).tag(config=True)

    notice_s = Duration(
        "5min",
        at_most_s=30 * _DAY_S,
        help="""How long before the end of a lease its holder is told of it.""",
    ).tag(config=True)

    agent_grace_s = Duration(
        None,
        allow_none=True,
        at_most_s=30 * _DAY_S,
        help="""How long a GPU server that is not heard of keeps its leases; the lease's TTL unless said.""",
    ).tag(config=True)

    @default("dashboard")
    def _dashboard(self) -> DashboardOptions:
        return DashboardOptions(self.config)

    @validate("quotas", "time_zone", "term_starts")
    def _validate(self, proposal: dict[str, Any]) -> Any:
        value = proposal["value"]
        checks: dict[str, Callable[[], object]] = {
            "quotas": lambda: read_quotas(value),
            "time_zone": lambda: Calendar(value),
            "term_starts": lambda: _dates(value),
        }
        try:
            checks[proposal["trait"].name]()
        except ValueError as error:
            msg = f"PoolOptions.{proposal['trait'].name}: {error}"
            raise TraitError(msg) from error
        return value

    def policy(self) -> Policy:
        """Return what the pool decides by."""
        return Policy(
            Times(self.lease_ttl_s, self.idle_grace_s, self.notice_s),
            absent_after_s=min(_ABSENT_AFTER_S, max(1.0, self.lease_ttl_s / 2)),
            grace_s=self.agent_grace_s,
            quotas=read_quotas(self.quotas),
            calendar=Calendar(self.time_zone, _dates(self.term_starts)),
        )


def _dates(texts: Sequence[str]) -> list[date]:
    try:
        return [date.fromisoformat(text) for text in texts]
    except ValueError as error:
        msg = f"write dates such as 2026-10-01 ({error})"
        raise ValueError(msg) from error
