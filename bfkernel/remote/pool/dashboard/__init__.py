# SPDX-License-Identifier: BSD-3-Clause
"""The dashboard: the pool's pages for people, rendered here and kept fresh by a small script.

==================  ==============================================================================
``options``         what an administrator may set
``sealing``         texts that only this pool can read: the cookie of who has signed in, forms
``pages``           what all pages share: who looks, headers, forms, errors
``overview``        ``/``
``admin``           ``/admin`` and the usage report
``actions``         what buttons do
``login``           signing in and out
``routes``          which path goes where
``pictures``        GPUs as bars, one piece for each lease
``charts``          the last hours as lines
``limits``          quotas as bars and as a form
``words``           numbers and times as people read them
==================  ==============================================================================
"""
