# SPDX-License-Identifier: BSD-3-Clause
"""Pools, agents, workers and clients that are killed at instants of chance, and what must hold all the same.

``make chaos`` runs a thousand rounds on each database and writes ``docs/chaos.md``; the tests run fifty.
"""
