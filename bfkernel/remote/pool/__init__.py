# SPDX-License-Identifier: BSD-3-Clause
"""The pool: who holds which share of which GPU. It never touches CUDA."""
