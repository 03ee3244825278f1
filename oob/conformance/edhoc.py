"""EDHOC runs: each is replayed in both roles, every message compared byte for byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from oob import cbor
from oob.conformance.intermediate import intermediate_values
from oob.conformance.result import Mismatch, Vector, hex_field, same
from oob.crypto import EcdhKey, SigningKey
from oob.errors import UsageError
from oob.handshake import (
    METHODS,
    SUITES,
    Completed,
    Credential,
    Ead,
    Event,
    Exporter,
    Failed,
    Identity,
    Offered,
    PeerClaimed,
    PeerVerified,
    Session,
)
from oob.handshake.ead import EadField
from oob.handshake.messages import Message1, Refused, decode_identifier

# The fields of a run, under the names that RFC 9529 gives them.
_TRACE = {
    "x": "X (Raw Value)",
    "y": "Y (Raw Value)",
    "sk_i": "SK_I (Raw Value)",
    "sk_r": "SK_R (Raw Value)",
    "c_i": "C_I (CBOR Data Item)",
    "c_r": "C_R (CBOR Data Item)",
    "g_x": "G_X (Raw Value)",
    "g_y": "G_Y (Raw Value)",
    "id_cred_i": "ID_CRED_I (CBOR Data Item)",
    "id_cred_r": "ID_CRED_R (CBOR Data Item)",
    "cred_i": "CRED_I (CBOR Data Item)",
    "cred_r": "CRED_R (CBOR Data Item)",
    "th_2": "TH_2 (Raw Value)",
    "th_3": "TH_3 (Raw Value)",
    "th_4": "TH_4 (Raw Value)",
    "prk_out": "PRK_out (Raw Value)",
    "message_1": "message_1 (CBOR Sequence)",
    "message_2": "message_2 (CBOR Sequence)",
    "message_3": "message_3 (CBOR Sequence)",
    "message_4": "message_4 (CBOR Sequence)",
}
_SECOND = {"x", "c_i", "g_x", "message_1"}  # trace 2 has these twice; the first try ends in an error message
_INTERMEDIATE = {
    "prk_2e": "PRK_2e (Raw Value)",
    "prk_3e2m": "PRK_3e2m (Raw Value)",
    "prk_4e3m": "PRK_4e3m (Raw Value)",
    "mac_2": "MAC_2 (Raw Value)",
    "mac_3": "MAC_3 (Raw Value)",
}
_DETAILS = {
    "g_xy": "G_XY (Raw Value) (ECDH shared secret)",
    "ciphertext_2": "CIPHERTEXT_2 (Raw Value)",
    "keystream_2": "KEYSTREAM_2 (Raw Value)",
    "plaintext_2": "PLAINTEXT_2 (CBOR Sequence)",
    "signature_or_mac_2": "Signature_or_MAC_2 (Raw Value)",
    "context_2": "context_2 (CBOR Sequence)",
    "k_3": "K_3 (Raw Value)",
    "iv_3": "IV_3 (Raw Value)",
    "ciphertext_3": "CIPHERTEXT_3 (Raw Value)",
    "plaintext_3": "PLAINTEXT_3 (CBOR Sequence)",
    "signature_or_mac_3": "Signature_or_MAC_3 (Raw Value)",
    "context_3": "context_3 (CBOR Sequence)",
    "k_4": "K_4 (Raw Value)",
    "iv_4": "IV_4 (Raw Value)",
    "ciphertext_4": "CIPHERTEXT_4",
    "prk_exporter": "PRK_exporter (Raw Value)",
}
_STATIC = {"g_rx": "G_RX (Raw Value) (ECDH shared secret)", "g_iy": "G_IY (Raw Value) (ECDH shared secret)"}
_REFUSED = {
    "refused g_x": "G_X (Raw Value)",
    "refused c_i": "C_I (CBOR Data Item)",
    "refused message_1": "message_1 (CBOR Sequence)",
    "error": "error (CBOR Sequence)",
}
_OSCORE = {
    "master secret": "OSCORE Master Secret (Raw Value)",
    "master salt": "OSCORE Master Salt (Raw Value)",
    "update context": "context for KeyUpdate (Raw Value)",
    "updated prk_out": "PRK_out after KeyUpdate (Raw Value)",
    "updated secret": "OSCORE Master Secret after KeyUpdate (Raw Value)",
    "updated salt": "OSCORE Master Salt after KeyUpdate (Raw Value)",
}
_CROSS = [*_TRACE, *_INTERMEDIATE, "ead_1", "ead_2", "ead_3", "ead_4", "export_20_32"]
Fields = Mapping[str, bytes]
_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is made of, ready for a session of either role."""

    fields: Fields
    method: int
    suites: tuple[int, ...]
    initiator: Identity
    responder: Identity
    eads: tuple[tuple[Ead, ...], ...]

    @classmethod
    def of(cls, fields: Fields) -> "Run":
        """Build keys and credentials; raises whatever a damaged vector leads to."""
        first = Message1.decode(fields["message_1"])
        if first.method not in METHODS or first.suites[-1] not in SUITES:
            raise Mismatch(f"method {first.method} with suite {first.suites[-1]} does not exist")
        method, suite = METHODS[first.method], first.suites[-1]
        return cls(
            fields,
            first.method,
            first.suites,
            Identity(_credential(fields, "i"), _key(suite, method.initiator_signs, fields["sk_i"])),
            Identity(_credential(fields, "r"), _key(suite, method.responder_signs, fields["sk_r"])),
            tuple([_ead(fields, f"ead_{number}") for number in (1, 2, 3, 4)]),
        )

    @property
    def labels(self) -> set[int]:
        """The EAD labels that occur."""
        return {item.label for ead in self.eads for item in ead}

    def ephemeral(self, private: str, public: str) -> EcdhKey:
        """Load an ephemeral key and compare its public half."""
        key = EcdhKey.from_bytes(SUITES[self.suites[-1]].curve, self.fields[private])
        same(public.upper(), key.x, self.fields[public])
        return key

    def as_initiator(self) -> Exporter:
        """Play the initiator against the messages of the vector."""
        fields = self.fields
        session = Session.initiator(self.initiator, method=self.method, suites=self.suites, labels=self.labels)
        session.start(self.ephemeral("x", "g_x"), decode_identifier(cbor.decode(fields["c_i"])), self.eads[0])
        same("message_1", _sent(session), fields["message_1"])
        session.receive(fields["message_2"])
        same("ID_CRED_R", _event(session, PeerClaimed).id_cred, fields["id_cred_r"])
        session.accept(self.responder.credential)
        verified = _event(session, PeerVerified)
        same("EAD_2", verified.ead, self.eads[1])
        same("TH_2", verified.th, fields["th_2"])
        same("TH_3", session.th, fields["th_3"])
        session.reply(self.eads[2])
        same("message_3", _sent(session), fields["message_3"])
        session.receive(fields["message_4"])
        completed = _event(session, Completed)
        same("EAD_4", completed.ead, self.eads[3])
        same("TH_4", completed.th, fields["th_4"])
        return session.exporter()

    def as_responder(self) -> Exporter:
        """Play the responder against the messages of the vector."""
        fields, suite = self.fields, self.suites[-1]
        session = Session.responder(self.responder, methods={self.method}, suites=(suite,), labels=self.labels)
        session.receive(fields["message_1"])
        offered = _event(session, Offered)
        same("METHOD", offered.method, self.method)
        same("EAD_1", offered.ead, self.eads[0])
        session.engage(self.ephemeral("y", "g_y"), decode_identifier(cbor.decode(fields["c_r"])))
        same("TH_2", session.th, fields["th_2"])
        session.reply(self.eads[1])
        same("message_2", _sent(session), fields["message_2"])
        session.receive(fields["message_3"])
        same("ID_CRED_I", _event(session, PeerClaimed).id_cred, fields["id_cred_i"])
        session.accept(self.initiator.credential)
        verified = _event(session, PeerVerified)
        same("EAD_3", verified.ead, self.eads[2])
        same("TH_3", verified.th, fields["th_3"])
        same("TH_4", session.th, fields["th_4"])
        session.reply(self.eads[3])
        same("message_4", _sent(session), fields["message_4"])
        return session.exporter()

    def both(self) -> tuple[Exporter, Exporter]:
        """Play both roles and compare PRK_out."""
        exporters = self.as_initiator(), self.as_responder()
        for exporter in exporters:
            same("PRK_out", exporter.prk_out, self.fields["prk_out"])
        self._compare_intermediate()
        return exporters

    def _compare_intermediate(self) -> None:
        keys = {"x": self.ephemeral("x", "g_x"), "y": self.ephemeral("y", "g_y")}
        ends = {"i": self.initiator, "r": self.responder}
        keys |= {name: end.agreement() for name, end in ends.items() if not end.signs}
        credentials = {name: end.credential for name, end in ends.items()}
        values = intermediate_values(self.fields, self.method, self.suites[-1], keys, credentials)
        for name, value in values.items():
            if name in self.fields:
                same(name.upper(), value, self.fields[name])


def trace_vectors(trace_1: Mapping[str, Any], trace_2: Mapping[str, Any]) -> list[Vector]:
    """Return the two traces of RFC 9529; UsageError if a field is missing."""
    names = _TRACE | _INTERMEDIATE | _DETAILS | _OSCORE
    first = {name: hex_field(trace_1, field, "trace 1") for name, field in names.items()}
    names = {name: f"{field}#2" if name in _SECOND else field for name, field in (names | _STATIC).items()}
    second = {name: hex_field(trace_2, field, "trace 2") for name, field in names.items()}
    for name, field in _REFUSED.items():
        second[name] = hex_field(trace_2, field, "trace 2")
    return [
        Vector("RFC 9529 trace 1", partial(_run_trace, first)),
        Vector("RFC 9529 trace 2", partial(_run_trace_2, second)),
    ]


def cross_vectors(vectors: Sequence[Any]) -> list[Vector]:
    """Return a list of runs; UsageError if one lacks a field."""
    return [_cross_vector(index, vector) for index, vector in enumerate(vectors)]


def _cross_vector(index: int, vector: Any) -> Vector:  # noqa: ANN401
    where = f"vector {index}"
    if not isinstance(vector, dict):
        raise UsageError(f"{where} is not an object", step="vectors")
    fields = {name: hex_field(vector, name, where) for name in _CROSS}
    method, suite = vector.get("method"), vector.get("suite")
    return Vector(f"EDHOC method {method} suite {suite}", partial(_run_cross, fields, method, suite))


def _run_cross(fields: Fields, method: object, suite: object) -> str:
    run = Run.of(fields)
    same("METHOD", run.method, method)
    same("the selected suite", run.suites[-1], suite)
    for exporter in run.both():
        same("EDHOC_Exporter(20, h'', 32)", exporter.export(20, b"", 32), fields["export_20_32"])
    return "both roles: 4 messages, 4 EAD fields, TH_2 to TH_4, key schedule, exporter"


def _run_trace(fields: Fields) -> str:
    for exporter in Run.of(fields).both():
        _compare_oscore(exporter, fields["master secret"], fields["master salt"])
        updated = exporter.update(fields["update context"])
        same("PRK_out after KeyUpdate", updated.prk_out, fields["updated prk_out"])
        _compare_oscore(updated, fields["updated secret"], fields["updated salt"])
    return "both roles: 4 messages, TH_2 to TH_4, key schedule, OSCORE keys, KeyUpdate"


def _run_trace_2(fields: Fields) -> str:
    run = Run.of(fields)
    responder = Session.responder(run.responder, methods={run.method}, suites=run.suites[-1:])
    responder.receive(fields["refused message_1"])
    same("the error message", _sent(responder), fields["error"])

    # G_X of the first message_1 is on P-256 although suite 6 is selected, so no session can compose it.
    suites, c_i = run.suites[:1], decode_identifier(cbor.decode(fields["refused c_i"]))
    first = Message1(run.method, suites, fields["refused g_x"], c_i)
    same("the first message_1", first.encode(), fields["refused message_1"])
    initiator = Session.initiator(run.initiator, method=run.method, suites=run.suites)
    initiator.start(run.ephemeral("x", "g_x"), c_i)
    initiator.receive(fields["error"])
    refusals = [event.error for event in initiator.events() if isinstance(event, Failed)]
    same("SUITES_R", [error.suites_r for error in refusals if isinstance(error, Refused)], [run.suites[-1:]])
    return f"{_run_trace(fields)}, error message"


def _compare_oscore(exporter: Exporter, secret: bytes, salt: bytes) -> None:
    same("the OSCORE Master Secret", exporter.export(0, b"", 16), secret)
    same("the OSCORE Master Salt", exporter.export(1, b"", 8), salt)


def _credential(fields: Fields, side: str) -> Credential:
    id_cred, cred = fields[f"id_cred_{side}"], fields[f"cred_{side}"]
    match cbor.decode(id_cred):
        case {4: bytes(kid)}:
            credential = Credential.ccs(cred, kid=kid)
        case {34: _}:
            credential = Credential.x5t(cbor.decode(cred))
        case _:
            credential = Credential.by_value(id_cred)
    same(f"ID_CRED_{side.upper()}", credential.id_cred, id_cred)
    same(f"CRED_{side.upper()}", credential.cred, cred)
    return credential


def _ead(fields: Fields, name: str) -> tuple[Ead, ...]:
    encoded = fields.get(name, b"")
    items = EadField.decode(*cbor.split_sequence(encoded)).items
    same(name.upper(), EadField.of(items).encoded, encoded)
    return items


def _key(suite: int, signs: bool, private: bytes) -> SigningKey | EcdhKey:
    row = SUITES[suite]
    return SigningKey.from_bytes(row.signature, private) if signs else EcdhKey.from_bytes(row.curve, private)


def _event(session: Session, kind: type[_E]) -> _E:
    (event,) = session.events()
    if isinstance(event, Failed):
        raise event.error
    same("the event", type(event), kind)
    return cast("_E", event)


def _sent(session: Session) -> bytes:
    messages = session.messages_to_send()
    same("the number of messages sent", len(messages), 1)
    return messages[0]
