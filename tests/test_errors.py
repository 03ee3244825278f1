"""The errors: one line for the user, an exit code, a wire code."""

import pytest

from oob import errors
from oob.errors import AuthenticationError, IssuanceError, LinkTimeout, LockedOut, OobError, PeerError, UsageError


def test_one_line_of_step_cause_remedy() -> None:
    error = PeerError("malformed message", step="message_1", remedy="Try again")
    assert str(error) == "message_1: malformed message. Try again"
    assert str(PeerError("malformed message")) == "malformed message"


@pytest.mark.parametrize(
    ("kind", "exit_code", "wire_code"),
    [
        (UsageError, 2, None),
        (errors.LinkError, 3, None),
        (errors.DeviceNotFound, 3, None),
        (LinkTimeout, 3, None),
        (errors.LinkBusy, 3, None),
        (PeerError, 4, 1),
        (AuthenticationError, 4, 1),
        (LockedOut, 4, 1),
        (IssuanceError, 5, None),
        (errors.StorageError, 1, None),
    ],
)
def test_codes(kind: type[OobError], exit_code: int, wire_code: int | None) -> None:
    error = kind("cause")
    assert (error.exit_code, error.wire_code) == (exit_code, wire_code)


def test_an_issuer_names_its_problem() -> None:
    error = IssuanceError("refused", problem="urn:ietf:params:acme:error:malformed")
    assert error.problem == "urn:ietf:params:acme:error:malformed"
    assert str(error) == "refused"


def test_every_error_is_drawn_in_the_docstring() -> None:
    drawn = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, OobError):
            assert name in drawn
