# SPDX-License-Identifier: BSD-3-Clause
"""A JupyterHub for many students on a small machine: real, but for what `jupyterhub_config.py` here says."""
