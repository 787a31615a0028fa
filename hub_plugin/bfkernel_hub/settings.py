# SPDX-License-Identifier: BSD-3-Clause
"""What an admin sets: the traits of ``c.BfkernelHub``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Float, Integer, List, TraitError, Unicode, validate
from traitlets.config import Config, Configurable

from bfkernel_hub.sizes import SizeEntry

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (names of it)


class BfkernelHub(Configurable):
    """Sizes, quotas and the pool, as ``jupyterhub_config.py`` sets them. ``configure(c)`` reads them."""

    sizes = List(
        Dict(),
        help="""
        The sizes of kernels that students see. An entry has ``size`` (a fraction ``0.02``, of several GPUs
        ``0.5x2``, or MiB ``2048m``), and may have ``groups`` (the Hub's groups that it is for; without, it
        is for everybody), ``course`` (shown behind the size) and ``name`` (shown in its place)::

            c.BfkernelHub.sizes = [
                {"size": "0.02"},
                {"size": "0.1", "groups": ["cs231n"], "course": "CS 231n"},
            ]

        A group's property ``bfkernel`` with ``"sizes": ["0.02", "0.1"]`` takes the place of that group's
        entries. What is shown is convenience: what a student may hold is the quotas' matter.
        """,
    ).tag(config=True)

    quotas = Dict(
        help="""
        Quotas, by kind: ``default``, ``groups`` (of each member, for that course), ``totals`` (of a group
        as a whole) and ``users``. A group's property ``bfkernel`` overrides them field by field::

            c.BfkernelHub.quotas = {
                "default": {"gpus": 0.1, "leases": 2},
                "groups": {"cs231n": {"gpus": 0.2, "gpu_hours_per_week": 20}},
                "totals": {"cs231n": {"gpus": 4}},
                "users": {"ada": {"gpus": "unlimited"}},
            }
        """,
    ).tag(config=True)

    idle_timeout_s = Float(
        None,
        allow_none=True,
        min=1.0,
        help="""
        After how many seconds without a CUDA call a share goes back to the pool, where no quota's
        ``longest_idle_s`` says otherwise. None: never. It goes into ``quotas``' ``default``, else into
        the default that the pool has, whose other limits stay.
        """,
    ).tag(config=True)

    enforce_quotas = Bool(
        False,
        help="""
        Whether a lowered quota ends leases that run, the newest first. Else it applies to new ones.
        """,
    ).tag(config=True)

    pool_url = Unicode(
        "",
        help="""
        The address of a pool that runs by itself, as single-user servers reach it, such as
        ``https://gpus.example.edu``. Empty: the Hub runs a pool (``pool_command``).
        """,
    ).tag(config=True)

    pool_token_file = Unicode(
        "",
        help="""
        With ``pool_url``: a file, readable by the Hub alone, with a token of role ``admin`` of that pool.
        """,
    ).tag(config=True)

    pool_command = List(
        Unicode(),
        [sys.executable, "-m", "bfkernel.cli", "serve"],
        help="""
        The command that runs the pool when the Hub does: ``bfkernel serve`` (pool and GPUs of this machine)
        or ``bfkernel pool`` (agents are elsewhere), with options of your own. Address, state, TTL and who
        may use it are added.
        """,
    ).tag(config=True)

    pool_host = Unicode(
        "127.0.0.1", help="The address that a pool run by the Hub listens on, and servers reach it by."
    ).tag(config=True)

    # Not bfkernel's default port: there the Hub's tokens are not sent, for anything may listen there.
    pool_port = Integer(8766, min=1, max=65535, help="The port of a pool run by the Hub.").tag(config=True)

    pool_tokens = Unicode(
        "",
        help="""
        With a pool run by the Hub: a token file (see bfkernel's how-to on tokens) whose lines it knows too:
        join tokens of GPU servers, say.
        """,
    ).tag(config=True)

    lease_ttl_s = Float(
        60.0, min=0.1, max=86400.0, help="How long a lease lives without proof of its holder's life."
    ).tag(config=True)

    state_dir = Unicode(
        "bfkernel-state",
        help="""
        The folder of the pool's state and of this service's notes, from where the Hub is started.
        """,
    ).tag(config=True)

    service_name = Unicode("bfkernel", help="The Hub's name for the service.").tag(config=True)

    service_port = Integer(8767, min=1, max=65535, help="The port that the service listens on.").tag(
        config=True
    )

    service_host = Unicode(
        "127.0.0.1",
        help="""
        The address that the service listens on. Another than loopback is needed where the Hub's proxy runs
        on another machine or in another pod: ``0.0.0.0`` then, and ``service_url``.
        """,
    ).tag(config=True)

    service_url = Unicode(
        "",
        help="""
        Where the Hub's proxy finds the service, such as ``http://hub:8767`` on Kubernetes. Empty: where it
        listens.
        """,
    ).tag(config=True)

    poll_s = Float(
        15.0,
        min=0.5,
        max=60.0,
        help="How often the Hub's groups are looked at: within that time a changed property applies.",
    ).tag(config=True)

    kernelspecs = Bool(
        True,
        help="""
        Whether servers get ``--ServerApp.kernel_spec_manager_class``, so that launchers show the sizes.
        bfkernel must be installed where servers run. Set it to False where it is not everywhere, and
        put the class into the configuration of the images that have it.
        """,
    ).tag(config=True)

    only_with_sizes = Bool(
        False, help="Whether somebody who may use no size is refused a server altogether."
    ).tag(config=True)

    @validate("sizes")
    def _check_sizes(self, proposal: dict[str, Any]) -> list[dict[str, Any]]:
        for entry in proposal["value"]:
            try:
                SizeEntry.read(entry)
            except ValueError as error:
                msg = f"c.BfkernelHub.sizes: {error}"
                raise TraitError(msg) from error
        return list(proposal["value"])

    @validate("quotas")
    def _check_quotas(self, proposal: dict[str, Any]) -> dict[str, Any]:
        quotas: dict[str, Any] = proposal["value"]
        for kind, value in quotas.items():
            if kind not in ("default", "groups", "totals", "users") or not isinstance(value, dict):
                msg = f"c.BfkernelHub.quotas has no '{kind}' of that form: default, groups, totals, users."
                raise TraitError(msg)
        return quotas

    @property
    def address(self) -> str:
        """Where single-user servers reach the pool."""
        return self.pool_url.rstrip("/") or f"http://{self.pool_host}:{self.pool_port}"

    @property
    def service_address(self) -> str:
        """Where the Hub itself, which runs the service, reaches it."""
        host = "127.0.0.1" if self.service_host in _EVERYWHERE else self.service_host
        return f"http://{host}:{self.service_port}"

    @property
    def scope(self) -> str:
        """What a token needs for the pool to take it."""
        return f"access:services!service={self.service_name}"

    @property
    def entries(self) -> list[SizeEntry]:
        """The sizes, read."""
        return [SizeEntry.read(entry) for entry in self.sizes]

    @property
    def state(self) -> Path:
        """The state's folder, from anywhere."""
        return Path(self.state_dir).absolute()

    def dumps(self) -> str:
        """Return all of it as text, for the service's environment. It holds no secret."""
        values = {name: getattr(self, name) for name in self.trait_names(config=True)}
        return json.dumps({**values, "state_dir": str(self.state)})

    @classmethod
    def loads(cls, text: str) -> BfkernelHub:
        """Read what :meth:`dumps` wrote."""
        return cls(config=Config({"BfkernelHub": json.loads(text)}))
