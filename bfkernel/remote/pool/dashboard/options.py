# SPDX-License-Identifier: BSD-3-Clause
"""What an administrator may set about the dashboard."""

from __future__ import annotations

from traitlets import Unicode

from bfkernel.remote.options import Duration, Options


class DashboardOptions(Options):
    """The dashboard: the pool's pages for people."""

    session_s = Duration(
        "12h", at_least_s=60.0, at_most_s=30 * 86400.0, help="""How long somebody stays signed in."""
    ).tag(config=True, line=False)

    frame_ancestors = Unicode(
        "'none'",
        help="""Which pages may show it in a frame, as a Content-Security-Policy says it::

            c.DashboardOptions.frame_ancestors = "https://portal.example.edu"
        """,
    ).tag(config=True, line=False)

    login_path = Unicode(
        "/login",
        help="""Where who has not signed in is sent.

        A path is one of the dashboard's own; another page's address is whole (https://…).
        """,
    ).tag(config=True, line=False)
