"""The public names of `oob.binding`."""

import oob.binding


def test_public_names() -> None:
    assert set(oob.binding.__all__) == {
        *("Agreement", "Binding", "BindingStatement", "Channel", "Claim", "InitiatorExchange", "Proceed", "Ready"),
        *("PairingKey", "Receipt", "Record", "ResponderExchange", "SessionContext", "Unable"),
        *("channel_pair", "countersign", "decode_record", "sign_binding", "verify_binding"),
        "verify_countersignature",
        *("CONTEXT_LABEL", "EXPORTER_LABEL"),
    }
    assert all(hasattr(oob.binding, name) for name in oob.binding.__all__)
