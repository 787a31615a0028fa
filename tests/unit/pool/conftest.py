# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the pool's tests."""

from __future__ import annotations

import pytest
from pool_story import Story


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def one_card(story: Story) -> Story:
    story.server()
    return story
