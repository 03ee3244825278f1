"""The responder, step by step: each frozen type offers the one thing that may come next.

Private to `Session`, which drops a step after use: a step taken twice would use an AEAD key and nonce twice.
"""

from collections.abc import Collection
from dataclasses import field

from oob.cose import decrypt0, encrypt0
from oob.crypto import EcdhKey, EcdhPublic
from oob.errors import PeerError, UsageError
from oob.handshake import schedule
from oob.handshake.credentials import Credential, Identity, expand_id
from oob.handshake.ead import EadField
from oob.handshake.exporter import Exporter
from oob.handshake.messages import ERR_SUITE, Error, Message1, Plaintext2, Plaintext3, decode_bstr, encode_bstr
from oob.handshake.proof import (
    check_identity,
    check_peer,
    check_proof,
    compose_context_2,
    compose_context_3,
    compose_proof,
    mac_length,
    proof_length,
    xor,
)
from oob.handshake.record import record
from oob.handshake.suites import METHODS, SUITES, Method, Suite


class WrongSuite(PeerError):
    """The selected cipher suite is not supported, or not the initiator's best that is; ERR_CODE 2."""

    wire_code = ERR_SUITE

    def __init__(self, suites_r: tuple[int, ...]) -> None:
        super().__init__("the selected cipher suite cannot be used here", step="message_1")
        self.suites_r = suites_r

    def message(self) -> bytes:
        """Return the error message with SUITES_R (RFC 9528, section 6.3)."""
        return Error(ERR_SUITE, self.suites_r[0] if len(self.suites_r) == 1 else list(self.suites_r)).encode()


@record
class Received1:
    """message_1 is acceptable; whether to answer it is for the application to say."""

    fields: Message1
    method: Method
    suite: Suite
    g_x: EcdhPublic
    message_1: bytes

    def engage(self, identity: Identity, ephemeral: EcdhKey, c_r: bytes) -> "Engaged":
        """Do the Diffie-Hellman; PeerError when G_X is of low order, UsageError when the identity does not fit."""
        if ephemeral.curve is not self.suite.curve:
            raise UsageError("the ephemeral key is of another curve than the cipher suite")
        check_identity(identity, self.suite, self.method.responder_signs)
        hash = self.suite.hash
        th_2 = schedule.th_2(hash, ephemeral.x, self.message_1)
        prk_2e = schedule.prk_2e(hash, th_2, ephemeral.exchange(self.g_x))
        return Engaged(self, identity, ephemeral, c_r, th_2, prk_2e)


@record
class Engaged:
    """TH_2 is known; message_2 is next."""

    received: Received1
    identity: Identity
    ephemeral: EcdhKey = field(repr=False)
    c_r: bytes
    th_2: bytes
    prk_2e: bytes = field(repr=False)

    def compose_message_2(self, ead_2: EadField) -> tuple["AwaitMessage3", bytes]:
        """Return message_2 (section 5.3.2)."""
        received, suite, own = self.received, self.received.suite, self.identity.credential
        signs, prk_3e2m = received.method.responder_signs, self.prk_2e
        if not signs:
            g_rx = self.identity.agreement().exchange(received.g_x)
            prk_3e2m = schedule.prk_3e2m(suite.hash, self.prk_2e, self.th_2, g_rx)
        context_2 = compose_context_2(self.c_r, own, self.th_2, ead_2.encoded)
        mac = schedule.mac_2(suite, prk_3e2m, context_2, mac_length(suite, signs))
        proof = compose_proof(self.identity, signs, mac, self.th_2, ead_2.encoded)
        plaintext = Plaintext2(self.c_r, own.compact_id(), proof, ead_2).encode()
        stream = schedule.keystream_2(suite.hash, self.prk_2e, self.th_2, len(plaintext))
        message_2 = encode_bstr(self.ephemeral.x + xor(plaintext, stream))
        th_3 = schedule.th_next(suite.hash, self.th_2, plaintext, own.cred)
        return AwaitMessage3(self.identity, received.method, suite, self.ephemeral, th_3, prk_3e2m), message_2


@record
class AwaitMessage3:
    """message_2 is on its way."""

    identity: Identity
    method: Method
    suite: Suite
    ephemeral: EcdhKey = field(repr=False)
    th_3: bytes
    prk_3e2m: bytes = field(repr=False)

    def process_message_3(self, message_3: bytes) -> "AwaitCredentialI":
        """Decrypt message_3; the initiator is authentic after `verify` (section 5.4.3)."""
        ciphertext = decode_bstr(message_3, "message_3", self.suite.aead.tag_length)
        key, iv = schedule.key_3(self.suite, self.prk_3e2m, self.th_3)
        plaintext = decrypt0(self.suite.aead, key, iv, ciphertext, self.th_3)
        fields = Plaintext3.decode(plaintext, proof_length(self.suite, self.method.initiator_signs))
        return AwaitCredentialI(self, plaintext, fields, expand_id(fields.id_cred))


@record
class AwaitCredentialI:
    """message_3 is open; the application says which credential ID_CRED_I means."""

    sent: AwaitMessage3
    plaintext_3: bytes
    fields: Plaintext3
    id_cred: bytes

    def verify(self, credential: Credential) -> "Verified3":
        """Authenticate the initiator as the holder of `credential`; AuthenticationError if it is not."""
        sent, suite, signs = self.sent, self.sent.suite, self.sent.method.initiator_signs
        check_peer(sent.identity, credential, self.id_cred)
        prk_4e3m = sent.prk_3e2m
        if not signs:
            g_iy = sent.ephemeral.exchange(credential.key.agree())
            prk_4e3m = schedule.prk_4e3m(suite.hash, sent.prk_3e2m, sent.th_3, g_iy)
        ead = self.fields.ead.encoded
        context_3 = compose_context_3(credential, sent.th_3, ead)
        mac = schedule.mac_3(suite, prk_4e3m, context_3, mac_length(suite, signs))
        check_proof(suite, credential, signs, self.fields.signature_or_mac, mac, sent.th_3, ead)
        th_4 = schedule.th_next(suite.hash, sent.th_3, self.plaintext_3, credential.cred)
        return Verified3(suite, th_4, prk_4e3m, self.fields.ead)


@record
class Verified3:
    """The initiator is authentic; message_4 is next."""

    suite: Suite
    th_4: bytes
    prk_4e3m: bytes = field(repr=False)
    ead_3: EadField

    def exporter(self) -> Exporter:
        """Return the exporter of the session; the peer has it once it verified message_4."""
        return Exporter(self.suite.hash, schedule.prk_out(self.suite.hash, self.prk_4e3m, self.th_4))

    def compose_message_4(self, ead_4: EadField) -> bytes:
        """Return message_4 (section 5.5.2)."""
        key, iv = schedule.key_4(self.suite, self.prk_4e3m, self.th_4)
        return encode_bstr(encrypt0(self.suite.aead, key, iv, ead_4.encoded, self.th_4))


def process_message_1(message_1: bytes, methods: Collection[int], suites: tuple[int, ...]) -> Received1:
    """Check message_1 against what is supported here (section 5.2.3).

    Raises WrongSuite when the selected suite is not the first of SUITES_I that is supported, PeerError otherwise.
    """
    fields = Message1.decode(message_1)
    supported = [suite for suite in fields.suites if suite in suites]
    if not supported or supported[0] != fields.suites[-1] or fields.suites.count(fields.suites[-1]) != 1:
        raise WrongSuite(suites)
    if fields.method not in methods:
        raise PeerError("the method is not supported here", step="message_1")
    suite = SUITES[fields.suites[-1]]
    g_x = EcdhPublic.load(suite.curve, fields.g_x)
    return Received1(fields, METHODS[fields.method], suite, g_x, message_1)
