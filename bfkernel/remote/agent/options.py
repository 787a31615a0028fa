# SPDX-License-Identifier: BSD-3-Clause
"""The options of a GPU server's agent."""

from __future__ import annotations

from traitlets import Bool, Enum, Integer, Unicode

from bfkernel.remote.agent.compute import COMPUTE_MODES
from bfkernel.remote.agent.inventory import DriverOptions
from bfkernel.remote.options import FilePath, MemoryMib, ServerOptions


class AgentOptions(ServerOptions):
    """The agent of a GPU server: which GPUs it offers to which pool, and where clients reach them."""

    pool = Unicode("http://127.0.0.1:8765", help="The pool's address.").tag(
        config=True, metavar="URL", envvar="BFKERNEL_POOL_URL", serve=False
    )

    data_port = Integer(56001, min=0, max=65535, help="The port for CUDA calls; 0 is a free one.").tag(
        config=True
    )

    data_host = Unicode(
        None,
        allow_none=True,
        help="""The address to listen on for CUDA calls: all, or 127.0.0.1 where the pool is.""",
    ).tag(config=True, metavar="HOST", serve=False)

    name = Unicode(
        None, allow_none=True, help="""This server's name in the pool; the host's unless said."""
    ).tag(config=True)

    advertise = Unicode(
        None,
        allow_none=True,
        help="""The address by which clients reach the data port.

        Unless said, it is the one by which this machine reaches the pool.
        """,
    ).tag(config=True, metavar="HOST")

    driver = Unicode(
        "auto",
        help="""The CUDA driver library of the workers; auto is NVIDIA's, else the emulated one.""",
    ).tag(config=True, metavar="auto|softgpu|PATH")

    softgpus = Integer(1, min=1, max=16, help="How many emulated GPUs.").tag(config=True)

    softgpu_memory_mib = MemoryMib("32GiB", help="The memory of each emulated GPU.").tag(config=True)

    compute = Enum(
        COMPUTE_MODES,
        "timeslice",
        help="""How leases share a GPU's compute: by turns, or with mps side by side under NVIDIA's MPS.""",
    ).tag(config=True)

    code_cache_mib = MemoryMib(
        "4GiB",
        help="""How much device code the server keeps in its state directory.

        Code that one program has sent needs no sending again, by whomever. What was not used for
        longest goes first.
        """,
    ).tag(config=True)

    tcp_only = Bool(
        False,
        help="""Serve programs on this machine over TCP, as those on others.

        Unless said, such a program shares memory with its worker.
        """,
    ).tag(config=True)

    join_token_file = FilePath(
        None,
        allow_none=True,
        help="""A file, mode 0600, with the token of role agent that the pool asks for.

        Without one, the variable BFKERNEL_JOIN_TOKEN holds it.
        """,
    ).tag(config=True, serve=False)

    #: the token itself; it never stands in a configuration
    join_token = Unicode(None, allow_none=True)

    @property
    def drivers(self) -> DriverOptions:
        """Which CUDA driver, with which emulated GPUs."""
        return DriverOptions(self.driver, self.softgpus, self.softgpu_memory_mib)
