from typing import Any

import sqlalchemy as sa

from oob.cose import CoseKey
from oob.crypto import Algorithm
from oob.issuance.store.tables import key_of, key_values, metadata
from tests.issuance.world import new_key


def test_a_key_goes_in_and_comes_out() -> None:
    for algorithm in Algorithm:
        key = CoseKey.of(new_key(algorithm))
        columns: list[Any] = [sa.literal(value).label(name) for name, value in key_values(key).items()]
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            assert key_of(connection.execute(sa.select(*columns)).one()) == key
        engine.dispose()


def test_the_schema_is_this() -> None:
    tables = {"sessions", "bindings", "names", "accounts", "orders", "certificates"}
    assert set(metadata.tables) == tables
