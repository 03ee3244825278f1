"""The tables of methods and cipher suites, against the registries of RFC 9528."""

import pytest

from oob.handshake import METHODS, SUITES

# RFC 9528, section 10.2: AEAD, hash, MAC length in bytes, curve, signature; COSE numbers.
REGISTRY = {
    0: (10, -16, 8, 4, -8),
    1: (30, -16, 16, 4, -8),
    2: (10, -16, 8, 1, -7),
    3: (30, -16, 16, 1, -7),
    4: (24, -16, 16, 4, -8),
    5: (24, -16, 16, 1, -7),
    6: (1, -16, 16, 4, -7),
}


def test_suites() -> None:
    rows = {
        number: (row.aead.value, row.hash.value, row.mac_length, row.curve.value, row.signature.value)
        for number, row in SUITES.items()
    }
    assert rows == REGISTRY
    assert all(row.number == number for number, row in SUITES.items())


@pytest.mark.parametrize(
    ("number", "signs"), [(0, (True, True)), (1, (True, False)), (2, (False, True)), (3, (False, False))]
)
def test_methods(number: int, signs: tuple[bool, bool]) -> None:
    row = METHODS[number]
    assert (row.number, row.initiator_signs, row.responder_signs) == (number, *signs)
