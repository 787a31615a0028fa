# SPDX-License-Identifier: BSD-3-Clause
"""Who asks: nobody in particular on loopback, the bearer of a static token, or whom JupyterHub names."""

from bfkernel.remote.pool.auth.chain import Authenticator, authenticator_for
from bfkernel.remote.pool.auth.hub_options import HubOptions, hub_options
from bfkernel.remote.pool.auth.loopback import LOCAL, is_foreign
from bfkernel.remote.pool.auth.principal import AuthenticationError, Principal, Role

__all__ = [
    "LOCAL",
    "AuthenticationError",
    "Authenticator",
    "HubOptions",
    "Principal",
    "Role",
    "authenticator_for",
    "hub_options",
    "is_foreign",
]
