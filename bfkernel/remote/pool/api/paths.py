# SPDX-License-Identifier: BSD-3-Clause
"""Paths with parameters, written as OpenAPI writes them: ``/api/v1/leases/{lease}``."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What each parameter of a path may be.
PARAMETERS = {
    "lease": r"[A-Za-z0-9._-]{1,64}",
    "server": r"[A-Za-z0-9._-]{1,200}",
    "action": r"cordon|uncordon|drain",
    "kind": r"[a-z]{1,16}",
    "name": r"[^/]{1,600}",
}
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Path:
    """A path of the API."""

    template: str

    @property
    def parameters(self) -> dict[str, str]:
        """The names of its parameters, with the patterns of what they may be."""
        return {name: PARAMETERS[name] for name in _PARAMETER.findall(self.template)}

    @property
    def pattern(self) -> str:
        """The regular expression that Tornado matches; one group a parameter."""
        return _PARAMETER.sub(lambda found: f"({PARAMETERS[found[1]]})", self.template)

    @property
    def identifier(self) -> str:
        """A name made of its parts: ``LeasesLeaseHeartbeat``."""
        parts = re.findall(r"\w+", self.template.removeprefix("/api/v1"))
        return "".join(part[:1].upper() + part[1:] for part in parts)
