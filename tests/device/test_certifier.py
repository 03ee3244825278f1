"""What the certifier checks by itself; its life is tested in test_device.py."""

from dataclasses import replace

import pytest

from oob.crypto import Hash
from oob.device.certifier import _leaf_hash, check_root
from oob.errors import AuthenticationError, IssuanceError, OobError
from tests.exchange import CONTEXT


def test_only_the_root_that_was_bound_is_taken() -> None:
    with pytest.raises(AuthenticationError, match="not the one that was bound"):
        check_root(CONTEXT, b"another")
    for context, root in ((CONTEXT, None), (replace(CONTEXT, root_hash=None), b"root")):
        with pytest.raises(IssuanceError, match="root of its own"):
            check_root(context, root)
    with pytest.raises(OobError):
        check_root(replace(CONTEXT, root_hash=Hash.SHA256.digest(b"no certificate")), b"no certificate")


def test_the_leaf_is_the_first_certificate() -> None:
    block = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + block.format("AQID") + block.format("BAUG")
    assert _leaf_hash(pem.encode()) == Hash.SHA256.digest(b"\x01\x02\x03")
