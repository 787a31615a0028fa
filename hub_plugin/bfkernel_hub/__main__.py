# SPDX-License-Identifier: BSD-3-Clause
"""The service, as the Hub starts it: ``python -m bfkernel_hub``."""

from __future__ import annotations

import sys

from bfkernel_hub.service import main

sys.exit(main())
