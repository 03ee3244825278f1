import pytest

from oob.transport.finding import Finding, State, missing, ok, warning


def test_a_finding_is_a_value() -> None:
    assert ok("d-bus", "answers") == Finding("d-bus", State.OK, "answers", "")
    assert warning("a", "b", "c") == Finding("a", State.WARNING, "b", "c")
    assert missing("a", "b", "c") == Finding("a", State.MISSING, "b", "c")
    with pytest.raises(AttributeError):
        ok("a", "b").state = State.MISSING  # type: ignore[misc]


def test_a_state_is_its_word() -> None:
    assert [f"{each}" for each in State] == ["ok", "warning", "missing"]
