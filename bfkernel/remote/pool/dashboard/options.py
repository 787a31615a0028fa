# SPDX-License-Identifier: BSD-3-Clause
"""What an administrator may set about the dashboard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DashboardOptions:
    """Options of the dashboard.

    ``frame_ancestors``: which pages may show it in a frame, as the Content-Security-Policy says it.
    ``session_s``: how long somebody stays signed in. ``login_path``: where who has not signed in is sent,
    under the dashboard or elsewhere; whatever is there ends with :meth:`Page.sign_in`.
    """

    frame_ancestors: str = "'none'"
    session_s: float = 12 * 3600.0
    login_path: str = "/login"
