"""Records: what they still are at run time, without the freezing."""

from dataclasses import field

import pytest

from oob.handshake.record import record


@record
class _Kept:
    public: bytes
    secret: bytes = field(repr=False)


def test_a_secret_stays_out_of_the_repr() -> None:
    assert repr(_Kept(b"seen", b"hidden")).endswith("_Kept(public=b'seen')")


def test_records_compare_by_value() -> None:
    assert _Kept(b"a", b"b") == _Kept(b"a", b"b")
    assert _Kept(b"a", b"b") != _Kept(b"a", b"c")


def test_a_record_takes_no_other_field() -> None:
    with pytest.raises(AttributeError):
        _Kept(b"a", b"b").other = b"c"  # type: ignore[attr-defined]


def test_assignment_does_not_type_check() -> None:
    # mypy reports an ignore that nothing needs: without the freezing this line would fail the type check.
    _Kept(b"a", b"b").public = b"c"  # type: ignore[misc]
