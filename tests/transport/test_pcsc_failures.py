"""The codes of PC/SC in the words of this library."""

import pytest

from oob.errors import LinkBusy, LinkError, LinkLost
from oob.transport.pcsc_failures import MEANINGS, TAG_LOST, Refused, renamed

NO_ACCESS, SECURITY_VIOLATION, NO_SERVICE, SHARING_VIOLATION = 0x80100027, 0x8010006A, 0x8010001D, 0x8010000B


@pytest.mark.parametrize("code", sorted(TAG_LOST))
def test_a_tag_that_is_gone(code: int) -> None:
    with pytest.raises(LinkLost, match="the tag is gone"), renamed():
        raise Refused(code)
    assert Refused(code).passes


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_each_error_says_what_to_do(code: int) -> None:
    error = Refused(code).renamed()
    assert error.cause
    assert error.step
    assert error.remedy


def test_what_can_be_told_apart() -> None:
    assert isinstance(Refused(SHARING_VIOLATION).renamed(), LinkBusy)
    assert not isinstance(Refused(NO_SERVICE).renamed(), LinkBusy)
    assert not Refused(NO_ACCESS).passes
    assert Refused(NO_SERVICE).passes


@pytest.mark.parametrize("code", [NO_ACCESS, SECURITY_VIOLATION])
def test_how_to_be_allowed(code: int) -> None:
    error = Refused(code).renamed()
    assert "may not use PC/SC" in error.cause


def test_an_unknown_code_keeps_its_name() -> None:
    with pytest.raises(LinkError, match=r"PC/SC failed \(SCARD_E_BAD_SEEK\)"), renamed():
        raise Refused(0x80100029, "SCARD_E_BAD_SEEK")
    assert "0x80109999" in Refused(0x80109999).renamed().cause


def test_no_code_of_pyscard_is_misnamed() -> None:
    scard = pytest.importorskip("smartcard.scard")
    codes = ("SCARD_E_", "SCARD_F_", "SCARD_W_")
    named = {name: getattr(scard, name) & 0xFFFFFFFF for name in dir(scard) if name.startswith(codes)}
    assert named["SCARD_E_NO_ACCESS"] == NO_ACCESS
    assert named["SCARD_W_SECURITY_VIOLATION"] == SECURITY_VIOLATION
    assert named["SCARD_E_NO_SERVICE"] == NO_SERVICE
    assert named["SCARD_E_SHARING_VIOLATION"] == SHARING_VIOLATION
    assert TAG_LOST | set(MEANINGS) <= set(named.values())
