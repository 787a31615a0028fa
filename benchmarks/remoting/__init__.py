# SPDX-License-Identifier: BSD-3-Clause
"""What it costs that the GPU is in another process, or in another machine: ``make bench``.

The null driver (``benchmarks/native/null_driver.c``) makes the remoting the only cost. ``figures.py`` lists
what is measured and ``comparisons.py`` what it is compared with; ``sections/`` measures, a file for each
idea; ``report.py`` and ``pictures.py`` show it, ``check.py`` holds it against ``limits.txt``.
docs/explanation/performance.md says what the figures mean.
"""
