# SPDX-License-Identifier: BSD-3-Clause
"""Do to one's own lease file what its holder does when the pool has news, and make the next calls.

Prints ``call RESULT`` for each.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from driver import cuda, start

PATH = Path(os.environ["BFKERNEL_LEASE_FILE"])


def change(**fields: str) -> None:
    """Replace the file as the holder does; the shim hears of it soon."""
    content = json.loads(PATH.read_text())
    temporary = PATH.with_name(".lease.json.news")
    temporary.write_text(json.dumps(content | fields))
    temporary.replace(PATH)
    time.sleep(1)


def call() -> None:
    print("call", cuda.cuCtxSynchronize(), flush=True)


start()
change(notice="It is idle.")
call()
call()
change(notice="It is idle.", message="nothing new in this")
call()
change(notice="It is about to go.")
call()
change(notice="It is gone soon.")
change(notice="")
call()
change(state="ended", message="It was idle for too long.")
call()
call()
