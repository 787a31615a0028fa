# SPDX-License-Identifier: BSD-3-Clause
"""What the pool of this example knows of its university's calendar."""

c.PoolOptions.time_zone = "Europe/Berlin"
c.PoolOptions.term_starts = ["2026-10-01", "2027-04-01"]
