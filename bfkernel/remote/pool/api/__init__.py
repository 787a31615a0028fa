# SPDX-License-Identifier: BSD-3-Clause
"""The HTTP API, ``/api/v1``, by what a path is about; ``routes`` says which path goes where."""
