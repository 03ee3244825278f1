"""Fixtures of the tests of issuance."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.issuance.world import World, new_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with new_world(tmp_path) as world:
        yield world
