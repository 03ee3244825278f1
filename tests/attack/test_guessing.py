"""Guessing the digits: what a transcript gives away, and what one try at either end does."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest

from oob.errors import AuthenticationError, LockedOut, UsageError
from oob.pairing import Code, Entry, Guesses, Model, Passcode, PasscodeInitiator, PasscodeResponder, cpace
from oob.pairing.models import Steps, prf, tag
from oob.pairing.passcode import channel_identifier
from tests.attack.refusal import DEFENDED, refused_if

TH_2, TH_3, TH_4 = bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32
G_X, CRED_I, CRED_R = b"x" * 32, b"credential of I", b"credential of R"
RIGHT, WRONG = Passcode.from_number(42), Passcode.from_number(17)
CANDIDATES = [Passcode.from_number(number) for number in range(60)]
CI = channel_identifier(b"")


@dataclass(frozen=True)
class Seen:
    """All that stands in the messages of a run, and more: no attacker sees T_I and T_R of others unencrypted."""

    y_a: bytes
    y_b: bytes
    t_i: bytes
    t_r: bytes


def seen(client: Passcode, device: Passcode, device_scalar: bytes = b"b" * 32) -> Seen:
    initiator, responder = PasscodeInitiator(client, b"a" * 32), PasscodeResponder(device, device_scalar)
    ead_1 = initiator.ead_1(G_X)
    responder.check_1(ead_1, G_X)
    y_b = responder.ead_2(TH_2, CRED_R)
    initiator.check_2(y_b, TH_2, CRED_R)
    return Seen(ead_1[-32:], y_b, initiator.ead_3(TH_3, CRED_I), responder._t_r(TH_4))


def share(code: Passcode, scalar: bytes) -> bytes:
    return cpace.public_share(code.digits.encode(), CI, G_X, scalar)


def t_i(isk: bytes) -> bytes:
    return tag(prf(isk, Model.PASSCODE, "k"), Model.PASSCODE, "I", TH_3, CRED_I)


def derived_from_digits(self: PasscodeInitiator, _: bytes, *, initiator: bool) -> None:
    """Make k the way in which nobody should: of digits and transcript alone."""
    self._k = self._channel = prf(self._prs, self.model, "k", G_X)


@DEFENDED
def test_digits_from_a_recorded_transcript(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever recorded everything tries candidates at home: as the client, as the device, and by the digits alone.

    The right code fits no better than a wrong one. Defence: pairing/passcode.py, `_derive`: k hangs on a Diffie-Hellman
    of two scalars, of which an eavesdropper has neither.
    """
    if not defended:
        monkeypatch.setattr("oob.pairing.passcode._Passcode._derive", derived_from_digits)
    record = seen(RIGHT, RIGHT)

    def tags(code: Passcode) -> set[bytes]:
        own, scalar = share(code, b"m" * 32), b"m" * 32
        a, b, mine = cpace.Share(record.y_a), cpace.Share(record.y_b), cpace.Share(own)
        runs = [(a, b, True), (b, a, False), (mine, b, True), (mine, a, False)]
        keys = [cpace.session_key(scalar, G_X, one, other, initiator=role).isk for one, other, role in runs]
        by_digits = tag(prf(code.digits.encode(), Model.PASSCODE, "k", G_X), Model.PASSCODE, "I", TH_3, CRED_I)
        return {t_i(isk) for isk in keys} | {by_digits}

    found = [code for code in CANDIDATES if record.t_i in tags(code)]
    assert found == ([] if defended else [RIGHT])


@pytest.mark.parametrize("guess", [RIGHT, WRONG])
def test_digits_from_the_view_of_a_rogue_device(guess: Passcode) -> None:
    """She answered a client with one guess, and has T_I. What she has tests that guess and no other one.

    Defence: draft-irtf-cfrg-cpace-21: Yb stands on the generator of her guess, and she knows its scalar for no other.
    """
    scalar = b"m" * 32
    record = seen(RIGHT, guess, scalar)
    fits = [code for code in CANDIDATES if t_i_with(share(code, scalar), record, scalar) == record.t_i]
    assert fits == ([RIGHT] if guess == RIGHT else [])
    # The Yb that she sent fits no other code: all that she can compute with it is the one tag.
    assert (t_i_with(record.y_b, record, scalar) == record.t_i) is (guess == RIGHT)


def t_i_with(own: bytes, record: Seen, scalar: bytes) -> bytes:
    """Return the tag of a client whose code led to these shares."""
    key = cpace.session_key(scalar, G_X, cpace.Share(own), cpace.Share(record.y_a), initiator=False)
    return t_i(key.isk)


@pytest.mark.parametrize("guess", [RIGHT, WRONG])
def test_digits_from_the_view_of_a_rogue_client(guess: Passcode) -> None:
    """She asked a device with one guess. A device that answers T_R before it saw T_I would give her the same one test.

    It does not even: T_R comes with message_4. Defence: pairing/passcode.py, PasscodeResponder.ead_4, after check_3.
    """
    rogue, device = PasscodeInitiator(guess, b"m" * 32), PasscodeResponder(RIGHT, b"b" * 32)
    device.check_1(rogue.ead_1(G_X), G_X)
    rogue.check_2(device.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    with pytest.raises(UsageError, match="out of order"):
        device.ead_4(TH_4)
    with refused_if(guess == WRONG, AuthenticationError):
        device.check_3(rogue.ead_3(TH_3, CRED_I), TH_3, CRED_I)
        device.ead_4(TH_4)


@DEFENDED
def test_a_rogue_device_harvests_guesses_from_one_entry(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message_1, and message_2 again and again, each with another guess: T_I says which was right.

    Defence: pairing/models.py, Steps.take (and before it handshake/session.py, TRANSITIONS): one message_3 for each
    message_1.
    """
    if not defended:
        monkeypatch.setattr(Steps, "take", lambda *_: nullcontext())
    client = PasscodeInitiator(RIGHT, b"a" * 32)
    ead_1 = client.ead_1(G_X)

    def guess(code: Passcode) -> bool:
        rogue = PasscodeResponder(code, b"m" * 32)
        rogue.check_1(ead_1, G_X)
        client.check_2(rogue.ead_2(TH_2, CRED_R), TH_2, CRED_R)
        return client.ead_3(TH_3, CRED_I) == rogue._t_i(TH_3, CRED_I)

    with refused_if(defended, UsageError, "each step is taken once"):
        assert [code for code in CANDIDATES if guess(code)] == [RIGHT]


@DEFENDED
def test_a_rogue_device_harvests_guesses_from_a_program_that_retries(
    defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that remembers a code and tries again by itself gives a guess with each try.

    Defence: pairing/guesses.py, Entry.send: one message_3 each time that a person enters the code.
    """
    if not defended:
        monkeypatch.setattr(Entry, "send", lambda entry: replace(entry, spent=entry.spent + 1, pending=True))
    entry, harvested = Entry().enter(), []
    with refused_if(defended, UsageError, "entered again"):
        for code in CANDIDATES:
            entry = entry.send()
            harvested.append(seen(RIGHT, code).t_i)
    assert len(harvested) == (1 if defended else len(CANDIDATES))


@DEFENDED
def test_a_rogue_device_has_a_printed_code_entered_again_and_again(
    defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient person types what stands on the label, as long as the program asks for it.

    Defence: pairing/guesses.py, Entry.enter: ENTRY_LIMIT.
    """
    if not defended:
        monkeypatch.setattr("oob.pairing.guesses.ENTRY_LIMIT", len(CANDIDATES))
    entry, harvested = Entry(), 0
    with refused_if(defended, LockedOut, "refused 3 times"):
        for _ in CANDIDATES:
            entry = Entry.from_dict(entry.enter().send().to_dict())  # a restart in between does not help either
            harvested += 1
    assert harvested == (3 if defended else len(CANDIDATES))


# --- at the device


def try_code(guesses: Guesses, code: Passcode, now: int, store: Callable[[Guesses], None]) -> None:
    """One try of an attacker at a device that shows RIGHT: counted and stored, then checked."""
    rogue, device = PasscodeInitiator(code, b"m" * 32), PasscodeResponder(RIGHT, b"b" * 32)
    device.check_1(rogue.ead_1(G_X), G_X)
    rogue.check_2(device.ead_2(TH_2, CRED_R), TH_2, CRED_R)
    begun = guesses.begin(now)
    store(begun)
    device.check_3(rogue.ead_3(TH_3, CRED_I), TH_3, CRED_I)
    store(begun.succeed(now))


def try_wrongly(guesses: Guesses, code: Passcode, now: int, store: Callable[[Guesses], None]) -> None:
    """The same, where a wrong code is no news; LockedOut when the device takes no more."""
    try:
        try_code(guesses, code, now, store)
    except AuthenticationError as error:
        if isinstance(error, LockedOut):
            raise


@DEFENDED
def test_a_displayed_code_guessed_online(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: pairing/guesses.py, Guesses.begin: Code.window, 3 tries at a displayed code."""
    if not defended:
        monkeypatch.setattr(Code, "window", property(lambda _: 10**6))
    stored, tried = [Guesses(Code.DISPLAYED)], 0
    with refused_if(defended, LockedOut, "used up"):
        for code in CANDIDATES:
            tried += 1
            try_wrongly(stored[-1], code, 0, stored.append)
            if stored[-1].burnt:
                break
    assert tried == (4 if defended else CANDIDATES.index(RIGHT) + 1)
    assert stored[-1].burnt is not defended


@DEFENDED
def test_power_is_cut_before_a_wrong_guess_is_counted(defended: bool) -> None:
    """Whoever holds the plug lets the device check, and never count.

    Defence: pairing/guesses.py, Guesses.begin, before check_3: what is stored counts the guess as failed already. The
    device without the defence stores the outcome alone.
    """
    stored = [Guesses(Code.DISPLAYED)]

    def store(guesses: Guesses) -> None:
        if defended or not guesses.pending:
            stored.append(guesses)

    with refused_if(defended, LockedOut, "used up"):
        for code in CANDIDATES:
            try_wrongly(stored[-1], code, 0, store)  # and then the power goes
            if stored[-1].burnt:
                break
    assert stored[-1].burnt is not defended


@DEFENDED
def test_guesses_hidden_among_the_pairings_of_the_owner(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One guess at a printed code after each pairing of its owner, for a year.

    Defence: pairing/guesses.py, Guesses.succeed: takes the one guess back that was right, and no other.
    """
    if not defended:
        monkeypatch.setattr(Guesses, "succeed", lambda account, now: Guesses(account.code, changed=now))
    account, now, guessed = Guesses(Code.PRINTED), 0, 0
    with refused_if(defended, LockedOut, "used up"):
        for _ in range(365):
            now = max(now + 86400, account.not_before)
            account = account.begin(now)  # the attacker, wrongly
            guessed += 1
            now = max(now + 86400, account.not_before)
            account = account.begin(now).succeed(now)  # the owner
    assert guessed == (10 if defended else 365)
