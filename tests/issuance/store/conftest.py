"""A store of its own for every test, and what goes into it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oob.issuance.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer" / "issuer.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path)
    yield store
    await store.close()
