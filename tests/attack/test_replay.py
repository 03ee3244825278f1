"""Every message of this run and of an earlier one, fed to every end in every state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import product

import pytest

from oob.binding import InitiatorExchange, ResponderExchange
from oob.errors import AuthenticationError, PeerError, UsageError
from tests.attack.refusal import refused, refused_by_client, refused_by_device
from tests.exchange import MODELS, Run, ephemeral, fork, identity

CLIENT_STATES = ("start", "message_2", "message_4", "complete")
DEVICE_STATES = ("message_1", "message_3", "confirm", "complete")
MESSAGES = tuple(product(("this run", "an earlier run"), (1, 2, 3, 4)))
# What an honest end takes: its own next message, and any message_1, which nothing authenticates (see the last tests).
TAKEN = {
    ("message_2", "receive_2", "this run", 2),
    ("message_4", "receive_4", "this run", 4),
    ("message_1", "answer", "this run", 1),
    ("message_1", "answer", "an earlier run", 1),
    ("message_3", "open", "this run", 3),
}


@dataclass
class Recording:
    """The messages of a run, and a copy of each end in each of its states."""

    messages: dict[int, bytes] = field(default_factory=dict)
    clients: dict[str, InitiatorExchange] = field(default_factory=dict)
    devices: dict[str, ResponderExchange] = field(default_factory=dict)


def record(run: Run) -> Recording:
    made = Recording()
    made.clients["start"], made.devices["message_1"] = fork(run.initiator), fork(run.responder)
    made.messages[1] = run.message_1()
    made.clients["message_2"] = fork(run.initiator)
    made.messages[2] = run.message_2(made.messages[1])
    made.devices["message_3"] = fork(run.responder)
    made.messages[3] = run.initiator.receive_2(made.messages[2])
    made.clients["message_4"] = fork(run.initiator)
    run.responder.open(made.messages[3])
    made.devices["confirm"] = fork(run.responder)
    made.messages[4], _ = run.responder.confirm(bytes(16), None, None)
    made.devices["complete"] = fork(run.responder)
    run.initiator.receive_4(made.messages[4])
    made.clients["complete"] = fork(run.initiator)
    return made


@cache
def recordings(model: str) -> dict[str, Recording]:
    """Return two runs between the same session, device and secret, for the worst case."""
    session_key, device = identity(), identity("Demo lamp")
    return {name: record(Run.between(model, session_key, device)) for name in ("an earlier run", "this run")}


def message_of(model: str, message: tuple[str, int]) -> bytes:
    run, number = message
    return recordings(model)[run].messages[number]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("state", CLIENT_STATES)
@pytest.mark.parametrize("verb", ["receive_2", "receive_4"])
@pytest.mark.parametrize("message", MESSAGES)
def test_to_the_client(model: str, state: str, verb: str, message: tuple[str, int]) -> None:
    """Defences: handshake/session.py, TRANSITIONS; G_X in TH_2; keys that hang on both ephemeral keys."""
    client = fork(recordings(model)["this run"].clients[state])
    call: Callable[[bytes], object] = getattr(client, verb)
    if (state, verb, *message) in TAKEN:
        assert call(message_of(model, message))
        return
    refused(lambda: call(message_of(model, message)))
    if state == "message_4" and verb == "receive_4":
        # Whatever was injected, the run is over: no second message is tried under the same keys.
        refused(lambda: client.receive_4(message_of(model, ("this run", 4))))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("state", DEVICE_STATES)
@pytest.mark.parametrize("verb", ["answer", "open"])
@pytest.mark.parametrize("message", MESSAGES)
def test_to_the_device(model: str, state: str, verb: str, message: tuple[str, int]) -> None:
    """Defences: handshake/session.py, TRANSITIONS; keys that hang on both ephemeral keys."""
    device = fork(recordings(model)["this run"].devices[state])
    content = message_of(model, message)
    call = (lambda: device.answer(content, ephemeral, b"\x02")) if verb == "answer" else lambda: device.open(content)
    if (state, verb, *message) in TAKEN:
        assert call()
        return
    refused(call)
    refused(lambda: device.confirm(bytes(16), None, None))


@pytest.mark.parametrize("model", MODELS)
def test_an_earlier_run_replayed_whole_to_the_device(model: str) -> None:
    """A replayed message_1 is answered, for it proves nothing; the message_3 that goes with it is for other keys.

    Defence: handshake/responder.py, `engage`: a fresh ephemeral key for each answer.
    """
    earlier = recordings(model)["an earlier run"]
    device = fork(recordings(model)["this run"].devices["message_1"])
    device.answer(earlier.messages[1], ephemeral, b"\x02")
    refused_by_device(device, lambda: device.open(earlier.messages[3]), AuthenticationError, "ciphertext")


@pytest.mark.parametrize("model", MODELS)
def test_an_earlier_run_replayed_whole_to_the_client(model: str) -> None:
    """Defences: handshake/initiator.py, process_message_2: a fresh ephemeral key; schedule.py, th_2: over message_1."""
    earlier = recordings(model)["an earlier run"]
    client = fork(recordings(model)["this run"].clients["message_2"])
    refused_by_client(client, lambda: client.receive_2(earlier.messages[2]))


@pytest.mark.parametrize("model", MODELS)
def test_a_second_message_2_under_one_ephemeral_key(model: str) -> None:
    """Two answers to one message_1, both genuine: the second would be a second guess at the digits.

    Defences: handshake/session.py, TRANSITIONS; pairing/models.py, Steps.take. The first is lost with it.
    """
    run = Run.of(model)
    message_1 = run.message_1()
    twin = fork(run.responder)
    first, second = run.message_2(message_1), twin.answer(message_1, ephemeral, b"\x02")
    run.responder.open(run.initiator.receive_2(first))
    message_4, _ = run.responder.confirm(bytes(16), None, None)
    refused_by_client(run.initiator, lambda: run.initiator.receive_2(second))
    refused(lambda: run.initiator.receive_4(message_4), PeerError, "not awaited")


@pytest.mark.parametrize("model", MODELS)
def test_a_second_message_2_after_a_bad_one(model: str) -> None:
    """Who spoils the first answer does not get the client to try another one.

    Defences: handshake/session.py, `_fail`: no transition leads out of FAILED; `_receive`: each step is dropped at use.
    """
    run = Run.of(model)
    message_2 = run.message_2(run.message_1())
    refused(lambda: run.initiator.receive_2(message_2[:-1] + bytes([message_2[-1] ^ 1])))
    refused(lambda: run.initiator.receive_2(message_2), PeerError, "not awaited")


@pytest.mark.parametrize("model", MODELS)
def test_one_guess_for_each_message_2(model: str) -> None:
    """A wrong message_3 ends the run: the right one after it is not tried, nor another wrong one.

    Defences: handshake/session.py, `_fail`: no transition leads out of FAILED; `_receive`: each step is dropped at use.
    """
    run = Run.of(model)
    message_3 = run.message_3()
    damaged = message_3[:-1] + bytes([message_3[-1] ^ 1])
    refused_by_device(run.responder, lambda: run.responder.open(damaged), AuthenticationError, "ciphertext")
    refused(lambda: run.responder.open(message_3), PeerError, "not awaited")


@pytest.mark.parametrize("model", MODELS)
def test_a_model_object_serves_one_run(model: str) -> None:
    """A careless caller who keeps the model cannot spend one guess twice.

    Defence: pairing/models.py, Steps.take.
    """
    run = Run.of(model)
    run.message_3()
    ours, theirs = (vars(end)["_model"] for end in (run.initiator, run.responder))
    again = InitiatorExchange(run.session_key, ours, Run.of(model).initiator._context)
    refused(lambda: again.start(ephemeral(), b"\x01"), UsageError, "each step is taken once")
    device, fresh = ResponderExchange(run.device, theirs), Run.between(model, run.session_key, run.device)
    message_1 = fresh.message_1()
    refused(lambda: device.answer(message_1, ephemeral, b"\x02"), UsageError, "each step is taken once")


@pytest.mark.parametrize("model", MODELS)
def test_strays_after_the_end_do_no_harm(model: str) -> None:
    """A copy of any message after completion is refused and leaves the channel as it is.

    Defence: handshake/session.py, `receive`: COMPLETE takes nothing.
    """
    run = Run.of(model)
    agreement, _, channel, _ = run.finish()
    for message in MESSAGES:
        content = message_of(model, message)
        for call in (run.initiator.receive_2, run.initiator.receive_4, run.responder.open):
            refused(partial(call, content), PeerError, "not awaited")
            assert run.initiator.parting() is None
            assert run.responder.parting() is None
    assert channel.open(agreement.channel.seal(b"proceed")) == b"proceed"
