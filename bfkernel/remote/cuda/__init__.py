# SPDX-License-Identifier: BSD-3-Clause
"""The specification of the CUDA driver API (``driver_api.spec``) and the generator that works from it.

``python -m bfkernel.remote.cuda generate FOLDER`` is run by CMake, ``coverage`` by whoever edits the file.
Nothing but Python itself is needed.
"""
