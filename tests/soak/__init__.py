# SPDX-License-Identifier: BSD-3-Clause
"""Whether memory stays flat however many calls a program makes."""
