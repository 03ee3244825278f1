"""The rules that the proofs of the association models rest on, each with the attacks that it stops.

RULES is the index of the whole directory; the attacks that stand in no other file are here. The attack succeeds where
a test is undefended: then the one line that the docstring names is gone.
"""

import re
from importlib import import_module

import pytest

from oob.binding import InitiatorExchange, ResponderExchange, SessionContext, channel_pair
from oob.crypto import Hash
from oob.errors import AuthenticationError, PeerError, UsageError
from oob.pairing import (
    ButtonInitiator,
    CompareInitiator,
    Model,
    Passcode,
    PasscodeInitiator,
    PasscodeResponder,
    PinnedInitiator,
    SecretInitiator,
    SecretResponder,
    cpace,
)
from oob.pairing.compare import comparison_number
from oob.pairing.models import prf, tag
from tests.attack.mallory import FakeClient
from tests.attack.refusal import DEFENDED, check_2_by_t_r_alone, refused, refused_by_device, refused_if
from tests.exchange import (
    ALL_MODELS,
    CONTEXT,
    MODELS,
    ONE_SIDED,
    PASSCODE,
    SECRET,
    HastyCompareResponder,
    Run,
    ephemeral,
    identity,
    responder_model,
)

RULES: dict[str, dict[str, str]] = {
    "1 CPace": {
        "test_rules": "a_share_of_low_order a_share_of_another_session another_identity_than_the_one_shown",
        "test_guessing": "digits_from_a_recorded_transcript digits_from_the_view_of_a_rogue_device"
        " digits_from_the_view_of_a_rogue_client",
        "test_man_in_the_middle": "passcode_shares_and_tags_forwarded shares_of_low_order",
    },
    "2 guesses at the device": {
        "test_guessing": "a_displayed_code_guessed_online power_is_cut_before_a_wrong_guess_is_counted"
        " guesses_hidden_among_the_pairings_of_the_owner",
        "test_replay": "one_guess_for_each_message_2",
    },
    "3 guesses at the client": {
        "test_guessing": "a_rogue_device_harvests_guesses_from_one_entry"
        " a_rogue_device_harvests_guesses_from_a_program_that_retries"
        " a_rogue_device_has_a_printed_code_entered_again_and_again",
        "test_man_in_the_middle": "passcode_device_without_a_proof",
    },
    "4 comparison": {
        "test_comparison": "a_plain_relay_with_keys_of_its_own another_nonce_once_the_share_of_the_device_is_known"
        " abandoned_and_tried_again_until_the_numbers_match another_share_once_the_nonce_of_the_client_is_known"
        " a_yes_that_comes_after_60_seconds message_4_before_the_user_of_the_device_said_yes"
        " a_client_that_concludes_without_its_own_user no_number_before_the_commitment_has_opened",
    },
    "5 one message for each ephemeral key": {
        "test_replay": "a_second_message_2_under_one_ephemeral_key a_second_message_2_after_a_bad_one"
        " a_model_object_serves_one_run",
    },
    "6 secret": {
        "test_rules": "a_past_reader_of_the_label_plays_the_device a_stranger_is_told_who_the_device_is"
        " nothing_static_is_on_the_air",
        "test_man_in_the_middle": "a_former_reader_of_the_tag_plays_the_device secret_tag_forwarded"
        " secret_client_that_guessed_the_tag the_true_device_without_the_secret",
    },
    "7 one-sided models": {
        "test_rules": "a_stranger_has_a_device_sign_for_him presence_alone_by_mistake"
        " another_device_than_the_pinned_one",
    },
    "8 confusion": {
        "test_rules": "a_comparison_number_typed_as_a_passcode a_passcode_compared_as_a_number",
        "test_confusion": "client_and_device_in_different_models model_id_exchanged_on_the_way"
        " models_that_nobody_armed message_1_without_a_model secret_with_the_proof_in_the_place_of_passcode"
        " the_channel_of_another_model authenticators_that_can_be_read_in_two_ways",
        "test_resumption": "a_tag_of_secret_as_one_of_resumed",
    },
    "9 keys": {
        "test_rules": "a_broken_key_exchange_and_a_recorded_channel",
        "test_resumption": "a_stolen_pairing_key_and_a_recorded_channel exports_and_a_recorded_channel",
    },
    "10 misbinding": {
        "test_rules": "another_identity_than_the_one_shown",
        "test_misbinding": "the_right_device_under_another_name the_number_is_of_both_credentials"
        " a_device_that_names_anothers_key a_client_that_names_anothers_key"
        " another_device_under_the_same_name the_same_key_under_another_name credentials_of_another_kind",
    },
    "binding": {
        "test_rules": "the_session_of_a_stranger_is_not_read",
        "test_misbinding": "a_device_that_signs_another_claim a_device_that_lets_another_sign a_receipt_of_another_run"
        " no_receipt another_session_cannot_use_the_binding",
        "test_man_in_the_middle": "context_swapped_on_the_way client_without_a_session",
        "test_confusion": "no_signature_of_a_run_verifies_as_another an_edhoc_signature_is_no_binding"
        " a_binding_is_no_edhoc_signature a_binding_header_is_no_credential",
        "test_reflection": "the_clients_own_key_as_the_devices channel_records_sent_back",
    },
    "resumption": {
        "test_resumption": "a_stranger_learns_who_the_device_is a_client_that_was_never_paired"
        " one_paired_client_as_another somebody_with_the_stolen_store_of_the_device_plays_it"
        " the_device_after_a_reset the_device_under_another_name a_stranger_of_last_time_as_a_paired_client",
    },
    "downgrade": {
        "test_downgrade": "a_forged_refusal_of_the_better_suite message_1_edited_on_the_way"
        " a_client_does_not_try_a_weaker_suite another_method_than_the_responder_allows another_method_in_a_pairing"
        " another_suite_in_a_pairing a_stranger_asks_a_device_for_less a_rogue_device_leaves_the_proof_out",
        "test_confusion": "client_and_device_in_different_models model_id_exchanged_on_the_way",
    },
    "replay and reordering": {
        "test_replay": "to_the_client to_the_device an_earlier_run_replayed_whole_to_the_device"
        " an_earlier_run_replayed_whole_to_the_client strays_after_the_end_do_no_harm",
    },
    "flood": {
        "test_flood": "what_a_device_keeps_is_bounded honest_peers_pair_in_the_midst_of_it"
        " without_grace_the_flood_would_wash_it_out",
    },
    "leaks": {
        "test_leaks": "no_object_of_a_full_run_shows_a_secret parting_messages_are_uniform no_error_shows_a_secret"
        " a_mistyped_passcode_is_not_repeated peer_text_is_not_repeated",
    },
    "malformed": {
        "test_edges": "a_key_of_low_order_in_message_1 a_key_off_the_curve a_proof_of_zeros zeros_in_front_of_a_share"
        " zeros_in_front_of_a_coordinate",
        "test_tampering": "truncated_at_every_offset every_byte_flipped extended_doubled_or_empty any_damage",
    },
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_attacks(rule: str) -> None:
    for file, names in RULES[rule].items():
        module = import_module(f"tests.attack.{file}")
        for name in names.split():
            assert callable(getattr(module, f"test_{name}", None)), name


# --- 1 and 10: CPace is over this session, this model and this device

G_X, TH_2, TH_3, TH_4, CRED = b"x" * 32, bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32, b"credential"


def forgiving(scalar: bytes, peer: bytes) -> bytes:
    """X25519 as RFC 7748 leaves it to be: of a point of low order comes zero."""
    assert peer == bytes(32)
    return bytes(32)


@DEFENDED
def test_a_share_of_low_order(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rogue device sends Yb = 0: then K is zero, whatever the digits, and she makes T_R without them.

    Defence: crypto/cpace_group.py, cpace_shared: the refusal of an all-zero K.
    """
    if not defended:
        monkeypatch.setattr(cpace, "cpace_shared", forgiving)
    client = PasscodeInitiator(PASSCODE, b"a" * 32)
    y_a = client.ead_1(G_X)[-32:]
    with refused_if(defended, PeerError, "low order"):
        client.check_2(bytes(32), TH_2, CRED)
        client.ead_3(TH_3, CRED)
        shares = cpace.lv_cat(y_a, b"") + cpace.lv_cat(bytes(32), b"")
        isk = Hash.SHA512.digest(cpace.lv_cat(cpace.DSI + b"_ISK", G_X, bytes(32)) + shares)
        client.check_4(tag(prf(isk, Model.PASSCODE, "k"), Model.PASSCODE, "R", TH_4), TH_4)


def meet(client: PasscodeInitiator, device: PasscodeResponder, g_x_of_device: bytes = G_X) -> None:
    device.check_1(client.ead_1(G_X), g_x_of_device)
    client.check_2(device.ead_2(TH_2, CRED), TH_2, CRED)
    device.check_3(client.ead_3(TH_3, CRED), TH_3, CRED)


@DEFENDED
def test_a_share_of_another_session(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares carried from one handshake into another. Defence: pairing/passcode.py, `_share`: sid is G_X."""
    if not defended:
        genuine = PasscodeInitiator._share
        monkeypatch.setattr("oob.pairing.passcode._Passcode._share", lambda self, _: genuine(self, b""))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        meet(PasscodeInitiator(PASSCODE, b"a" * 32), PasscodeResponder(PASSCODE, b"b" * 32), b"y" * 32)


@DEFENDED
def test_another_identity_than_the_one_shown(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's screen says Lamp 7, the code is that of Lamp 8. Defence: pairing/passcode.py, channel_identifier."""
    if not defended:
        monkeypatch.setattr("oob.pairing.passcode.channel_identifier", lambda _: b"oob-1")
    with refused_if(defended, AuthenticationError, "out-of-band"):
        meet(PasscodeInitiator(PASSCODE, b"a" * 32, b"Lamp 7"), PasscodeResponder(PASSCODE, b"b" * 32, b"Lamp 8"))


# --- 6: secret


@DEFENDED
def test_a_past_reader_of_the_label_plays_the_device(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """K alone makes T_R. Defence: pairing/secret.py, SecretInitiator.check_2: the hash of CRED_R."""
    if not defended:
        monkeypatch.setattr(SecretInitiator, "check_2", check_2_by_t_r_alone)
    run, reader = Run.of("secret"), identity("Demo lamp")
    run.responder = ResponderExchange(reader, SecretResponder(SECRET, dynamic=False))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        assert run.finish()[0].device == reader.credential


@DEFENDED
def test_a_stranger_is_told_who_the_device_is(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """message_2 holds the credential of the device, for whoever began. Defence: pairing/secret.py, check_1."""
    if not defended:
        monkeypatch.setattr(SecretResponder, "_id", lambda *_: bytes(8))
    run, fake = Run.of("secret"), FakeClient(identity())
    message_1 = fake.message_1(lambda _: b"\x02\x48" + bytes(8))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        assert fake.receive_2(run.message_2(message_1))[0].credential == run.device.credential


@pytest.mark.parametrize("model", ALL_MODELS)
def test_nothing_static_is_on_the_air(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs between the same ends have no 13 bytes in common beside what all runs of the model have.

    Framing makes up to 9 bytes in a row: at least 4 of the 13 are random where nothing static is, so that chance does
    not fail this.

    Defences: handshake/initiator.py, message_1 without ID_CRED; schedule.py, keystream_2; models.py, tags over G_X.
    """
    session_key, device = identity(), identity("Demo lamp")
    ours = [set().union(*map(windows, messages(Run.between(model, session_key, device)))) for _ in range(2)]
    for secret in ("SECRET", "RESUMPTION"):  # of other ends, with another secret
        monkeypatch.setattr(f"tests.exchange.{secret}", bytes(32))
    others = set().union(*map(windows, messages(Run.of(model))))
    assert not (ours[0] & ours[1]) - others


def messages(run: Run) -> list[bytes]:
    message_1 = run.message_1()
    message_2 = run.message_2(message_1)
    message_3 = run.initiator.receive_2(message_2)
    run.responder.open(message_3)
    return [message_1, message_2, message_3, run.responder.confirm(bytes(16), None, None)[0]]


WINDOW = 13


def windows(message: bytes) -> set[bytes]:
    return {message[at : at + WINDOW] for at in range(len(message) - WINDOW + 1)}


# --- 7: models in which one end proves nothing


@DEFENDED
@pytest.mark.parametrize("model", ONE_SIDED)
def test_a_stranger_has_a_device_sign_for_him(model: str, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may talk to a device in `pinned`; what it signed for his session would bind it to him.

    Defence: binding/exchange.py, binds: the proof is mutual, or local policy says `commissioning`.
    """
    if not defended:
        monkeypatch.setattr(ResponderExchange, "binds", True)
    agreement, _, _, _ = Run.of(model).finish()
    with refused_if(defended, AuthenticationError, "signed no binding"):
        assert agreement.statement.session_thumbprint


def test_presence_alone_by_mistake() -> None:
    """Whoever answers first is taken: nobody gets that who did not ask. Defence: unproven.py, ButtonInitiator."""
    with pytest.raises(UsageError, match="proves no identity"):
        ButtonInitiator()
    for name in ALL_MODELS:
        if name != "button":
            run = Run.of(name)
            run.responder = ResponderExchange(run.device, responder_model("button"))
            message_1 = run.message_1()
            refused_by_device(run.responder, lambda run=run, m=message_1: run.message_2(m), AuthenticationError)  # type: ignore[misc]


@DEFENDED
def test_another_device_than_the_pinned_one(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence: pairing/unproven.py, PinnedInitiator._check_cred_r."""
    if not defended:
        monkeypatch.setattr(PinnedInitiator, "_check_cred_r", lambda *_: None)
    run = Run.of("pinned")
    run.responder = ResponderExchange(identity("Demo lamp"), responder_model("pinned"))
    with refused_if(defended, AuthenticationError, "out-of-band"):
        run.finish()


# --- 8: confusion


@DEFENDED
def test_a_comparison_number_typed_as_a_passcode(defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device compares, the client asks for a code: a person types the number, which the attacker knows, too.

    Defence: pairing/passcode.py, Passcode: 8 digits with a check digit; a comparison number has 6.
    """
    if not defended:
        monkeypatch.setattr("oob.pairing.passcode.LENGTH", 6)
        monkeypatch.setattr("oob.pairing.passcode._COMPARISON_LENGTH", None)
        monkeypatch.setattr("oob.pairing.passcode._damm", lambda _: 0)
    run, mallory, shown = Run.of("compare"), identity(), HastyCompareResponder()
    run.responder = ResponderExchange(run.device, shown)
    model = CompareInitiator(bytes(16), mallory.credential.cred)
    client = InitiatorExchange(mallory, model, CONTEXT)
    run.responder.open(client.receive_2(run.message_2(client.start(ephemeral(), b"\x01"))))
    known = model.show(0)
    assert known == shown.show(0)
    with refused_if(defended, UsageError, "comparison number"):
        typed = PasscodeInitiator(Passcode.parse(known), b"a" * 32)
        victim = Run.of()
        victim.initiator = InitiatorExchange(victim.session_key, typed, CONTEXT)
        victim.responder = ResponderExchange(mallory, PasscodeResponder(Passcode.parse(known), b"b" * 32))
        assert victim.finish()[0].device == mallory.credential


def test_a_passcode_compared_as_a_number() -> None:
    """They do not look alike: 4 and 4 digits, 3 and 3. Defences: passcode.py, display; comparison_number."""
    for number in range(0, 10**7, 99_991):
        code = Passcode.from_number(number).display()
        sas = comparison_number(number.to_bytes(16, "big"), TH_3, CRED)
        assert re.fullmatch(r"\d{4} \d{4}", code)
        assert re.fullmatch(r"\d{3} \d{3}", sas)
        refused(lambda sas=sas: Passcode.parse(sas), UsageError, "comparison number")  # type: ignore[misc]


# --- 9: keys


@DEFENDED
@pytest.mark.parametrize("model", ["passcode", "secret", "resumed"])
def test_a_broken_key_exchange_and_a_recorded_channel(
    model: str, defended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X25519 falls, or an ephemeral key leaks: the exporter is known, and the out-of-band secret is not.

    Defence: binding/channel.py, channel_pair: HKDF-Extract over K or ISK.
    """
    run = Run.of(model)
    if not defended:
        for end in (run.initiator, run.responder):
            monkeypatch.setattr(vars(end)["_model"], "channel_secret", lambda: b"")
    agreement, _, _, _ = run.finish()
    record = agreement.channel.seal(b"the certificate")
    _, stolen = channel_pair(vars(run.initiator)["_session"].exporter(), agreement.proof.model, b"")
    with refused_if(defended, AuthenticationError, "verify"):
        assert stolen.open(record) == b"the certificate"


# --- the binding


@DEFENDED
@pytest.mark.parametrize("model", MODELS)
def test_the_session_of_a_stranger_is_not_read(model: str, defended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL and names from somebody who proved nothing are not even decoded.

    Defence: binding/exchange.py, open: check_3 stands before SessionContext.decode.
    """
    run, read = Run.of(model), list[bytes]()
    monkeypatch.setattr(SessionContext, "decode", read.append)
    fake = FakeClient(run.session_key)
    fake.receive_2(run.message_2(fake.message_1(vars(run.initiator)["_model"].ead_1)))
    if not defended:
        monkeypatch.setattr(vars(run.responder)["_model"], "check_3", lambda *_: None)
    with refused_if(defended, AuthenticationError, "out-of-band"):
        run.responder.open(fake.message_3(bytes(16)))
    assert len(read) == (0 if defended else 1)
