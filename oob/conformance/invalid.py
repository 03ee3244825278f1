"""The invalid messages of RFC 9529, section 4: each must be refused by a session that awaits such a message."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from oob.conformance.result import Mismatch, Vector, hex_field
from oob.cose import CoseKey
from oob.crypto import Curve, EcdhKey, EcdhPublic
from oob.errors import OobError, UsageError
from oob.handshake import METHODS, SUITES, Credential, Failed, Identity, Session, schedule
from oob.handshake.messages import encode_bstr
from oob.handshake.proof import xor
from oob.handshake.responder import WrongSuite

METHOD = 3
_OWN, _X, _Y = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)  # any private keys will do


def invalid_vectors(vectors: Sequence[Any]) -> list[Vector]:
    """Return the invalid messages; UsageError if one lacks a field or is of an unknown kind."""
    return [_vector(index, vector) for index, vector in enumerate(vectors)]


def _vector(index: int, vector: Any) -> Vector:  # noqa: ANN401
    where = f"invalid message {index}"
    if not isinstance(vector, dict) or not isinstance(vector.get("title"), str):
        raise UsageError(f"{where} lacks the field 'title'", step="vectors")
    if vector.get("kind") not in _REFUSE:
        raise UsageError(f"{where} is of an unknown kind", step="vectors")
    message = hex_field(vector, "hex", where)
    return Vector(f"invalid: {vector['title']}", partial(_run, _REFUSE[vector["kind"]], message, vector.get("len")))


def _run(refuse: Callable[[bytes], OobError], message: bytes, length: object) -> str:
    if length is not None and length != len(message):
        raise Mismatch(f"the message has {len(message)} bytes, not {length}")
    return f"refused: {refuse(message)}"


def _refuse_message_1(message: bytes) -> OobError:
    """Offer it to a responder of either curve; report what was found wrong beside the cipher suite."""
    errors = [_offer(message, suite) for suite in (2, 0)]
    return next((error for error in errors if not isinstance(error, WrongSuite)), errors[0])


def _offer(message: bytes, suite: int) -> OobError:
    curve = SUITES[suite].curve
    session = Session.responder(_identity(curve), methods=METHODS, suites=(suite,))
    session.receive(message)
    if session.state is not session.state.FAILED:
        session.engage(EcdhKey.from_bytes(curve, _Y), b"\x00")
    return _error(session)


def _refuse_message_2(message: bytes) -> OobError:
    session, _ = _started()
    session.receive(message)
    return _error(session)


def _refuse_plaintext_2(plaintext: bytes) -> OobError:
    """Encrypt it as a responder would, and let the initiator open it."""
    session, message_1 = _started()
    suite, y = SUITES[2], EcdhKey.from_bytes(Curve.P256, _Y)
    th_2 = schedule.th_2(suite.hash, y.x, message_1)
    g_xy = y.exchange(EcdhPublic.load(Curve.P256, EcdhKey.from_bytes(Curve.P256, _X).x))
    prk_2e = schedule.prk_2e(suite.hash, th_2, g_xy)
    stream = schedule.keystream_2(suite.hash, prk_2e, th_2, len(plaintext))
    session.receive(encode_bstr(y.x + xor(plaintext, stream)))
    return _error(session)


def _started() -> tuple[Session, bytes]:
    session = Session.initiator(_identity(Curve.P256), method=METHOD, suites=(2,))
    session.start(EcdhKey.from_bytes(Curve.P256, _X), b"\x00")
    (message_1,) = session.messages_to_send()
    return session, message_1


def _identity(curve: Curve) -> Identity:
    key = EcdhKey.from_bytes(curve, _OWN)
    return Identity(Credential.of_key(CoseKey.of(key)), key)


def _error(session: Session) -> OobError:
    for event in session.events():
        if isinstance(event, Failed):
            return event.error
    raise Mismatch("the message is accepted")


_REFUSE = {"message_1": _refuse_message_1, "message_2": _refuse_message_2, "PLAINTEXT_2": _refuse_plaintext_2}
