"""The intermediate values of a run, recomputed with the functions of the key schedule (RFC 9528, section 4)."""

from collections.abc import Mapping

from oob import cbor
from oob.crypto import EcdhKey, EcdhPublic
from oob.handshake import METHODS, SUITES, Credential, schedule
from oob.handshake.messages import Plaintext2, Plaintext3
from oob.handshake.proof import compose_context_2, compose_context_3, mac_length, proof_length, xor

Values = Mapping[str, bytes]


def intermediate_values(
    fields: Values, method: int, suite: int, keys: Mapping[str, EcdhKey], credentials: Mapping[str, Credential]
) -> dict[str, bytes]:
    """Derive what a run computes on its way, from its messages, private keys and credentials.

    `keys` holds the ephemeral keys "x" and "y" and, where an end does not sign, its static key "i" or "r".
    """
    row, chosen = SUITES[suite], METHODS[method]
    hash, th_2, th_3, th_4 = row.hash, fields["th_2"], fields["th_3"], fields["th_4"]
    g_x, g_y = (EcdhPublic.load(row.curve, keys[name].x) for name in "xy")
    values = {"g_xy": keys["x"].exchange(g_y)}
    values["prk_2e"] = values["prk_3e2m"] = schedule.prk_2e(hash, th_2, values["g_xy"])
    if "r" in keys:
        values["g_rx"] = keys["r"].exchange(g_x)
        values["prk_3e2m"] = schedule.prk_3e2m(hash, values["prk_2e"], th_2, values["g_rx"])
    values["prk_4e3m"] = values["prk_3e2m"]
    if "i" in keys:
        values["g_iy"] = keys["i"].exchange(g_y)
        values["prk_4e3m"] = schedule.prk_4e3m(hash, values["prk_3e2m"], th_3, values["g_iy"])

    values["ciphertext_2"] = cbor.decode(fields["message_2"])[32:]
    length = len(values["ciphertext_2"])
    values["keystream_2"] = schedule.keystream_2(hash, values["prk_2e"], th_2, length)
    values["plaintext_2"] = xor(values["ciphertext_2"], values["keystream_2"])
    second = Plaintext2.decode(values["plaintext_2"], proof_length(row, chosen.responder_signs))
    values["signature_or_mac_2"] = second.signature_or_mac
    values["context_2"] = compose_context_2(second.c_r, credentials["r"], th_2, second.ead.encoded)
    length = mac_length(row, chosen.responder_signs)
    values["mac_2"] = schedule.mac_2(row, values["prk_3e2m"], values["context_2"], length)

    values["k_3"], values["iv_3"] = schedule.key_3(row, values["prk_3e2m"], th_3)
    values["ciphertext_3"] = cbor.decode(fields["message_3"])
    a_3 = cbor.encode(["Encrypt0", b"", th_3])
    values["plaintext_3"] = row.aead.open(values["k_3"], values["iv_3"], values["ciphertext_3"], a_3)
    third = Plaintext3.decode(values["plaintext_3"], proof_length(row, chosen.initiator_signs))
    values["signature_or_mac_3"] = third.signature_or_mac
    values["context_3"] = compose_context_3(credentials["i"], th_3, third.ead.encoded)
    length = mac_length(row, chosen.initiator_signs)
    values["mac_3"] = schedule.mac_3(row, values["prk_4e3m"], values["context_3"], length)

    values["k_4"], values["iv_4"] = schedule.key_4(row, values["prk_4e3m"], th_4)
    values["ciphertext_4"] = cbor.decode(fields["message_4"])
    values["prk_exporter"] = schedule.prk_exporter(hash, fields["prk_out"])
    return values
