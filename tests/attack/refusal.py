"""What every refusal must be: an error of ours, and nothing left that could pass for a success."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from oob.binding import InitiatorExchange, ResponderExchange
from oob.errors import OobError, UsageError
from oob.pairing import SecretInitiator
from tests.attack.mallory import REFUSED

DEFENDED = pytest.mark.parametrize("defended", [True, False], ids=["defended", "undefended"])
"""An attack is tried twice: it must fail, and it must go through once its one defence has been taken away."""


@contextmanager
def refused_if(defended: bool, kind: type[OobError] = OobError, match: str | None = None) -> Iterator[None]:
    """Assert that the attack in the body fails where it is defended against, and that it succeeds where it is not."""
    if not defended:
        yield
        return
    with pytest.raises(kind, match=match):
        yield


def refused(call: Callable[[], object], kind: type[OobError] = OobError, match: str | None = None) -> OobError:
    """Assert that a call fails, and return its error."""
    with pytest.raises(kind, match=match) as caught:
        call()
    return caught.value


def refused_by_device(
    device: ResponderExchange,
    call: Callable[[], object],
    kind: type[OobError] = OobError,
    match: str | None = None,
) -> OobError:
    """Assert that the device refuses: no Claim, nothing signed, and the uniform parting message, once."""
    error = refused(call, kind, match)
    assert device.parting() == REFUSED
    assert device.parting() is None
    refused(lambda: device.confirm(bytes(16), None, None))
    return error


def refused_by_client(
    client: InitiatorExchange,
    call: Callable[[], object],
    kind: type[OobError] = OobError,
    match: str | None = None,
) -> OobError:
    """Assert that the client refuses: no Agreement, no channel, and the uniform parting message, once."""
    error = refused(call, kind, match)
    assert client.parting() == REFUSED
    assert client.parting() is None
    refused(vars(client)["_session"].exporter, UsageError)
    return error


def check_2_by_t_r_alone(model: SecretInitiator, value: bytes, th_2: bytes, cred_r: bytes) -> None:
    """Do as SecretInitiator.check_2 does without the hash of CRED_R."""
    with model._steps.take("check_2"):
        assert value == model._tag("R", th_2, cred_r)
