# SPDX-License-Identifier: BSD-3-Clause
"""The agent: reports the GPUs of a server and hands each data connection to a worker."""
