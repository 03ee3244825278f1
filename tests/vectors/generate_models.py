"""Makes tests/vectors/models.json: one pairing in each association model, and two more.

The vectors are home-made: these very programs wrote them. What vouches for them is tests/conformance/test_models.py,
which derives tags, numbers and keys anew, out of hashes alone. `python -m tests.vectors.generate_models` writes the
file.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from oob.conformance.models import (
    EXPORT,
    FIRST_RECORD,
    OUTPUTS,
    PairingRun,
    binding_of,
    derived_keys,
    resumption_secret,
    transcript,
)
from oob.crypto import Hash
from oob.handshake import schedule
from oob.pairing import CompareInitiator, CompareResponder
from tests.exchange import CONTEXT, PASSCODE
from tests.pair import Random

FILE = Path(__file__).with_name("models.json")
SOURCE = "made for this project, by tests/vectors/generate_models.py"
RUNS: list[dict[str, Any]] = [
    {"title": "pinned", "model": "pinned"},
    {"title": "secret, fresh for each tap", "model": "secret", "dynamic": True},
    {"title": "passcode on a screen", "model": "passcode", "dynamic": True, "passcode": PASSCODE.digits},
    {"title": "compare", "model": "compare"},
    {"title": "button", "model": "button"},
    {"title": "resumed", "model": "resumed"},
    {
        "title": "passcode on a label, no session, no clock",
        "model": "passcode",
        "passcode": "00000000",
        "context": "",
        "iat": None,
        "exp": None,
    },
    {"title": "pinned, bound for commissioning", "model": "pinned", "commissioning": True},
]
DEFAULTS = {
    "subject": "Demo lamp",
    "dynamic": False,
    "commissioning": False,
    "iat": 1_700_000_000,
    "exp": 1_700_000_600,
    "passcode": "",
    "number": "",
    "c_i": "01",
    "c_r": "02",
    "context": CONTEXT.encode().hex(),
}
DRAWN = {
    "secret": {"secret": 16},
    "resumed": {"secret": 32},
    "passcode": {"scalar_i": 32, "scalar_r": 32},
    "compare": {"nonce": 16},
}
"""What is drawn for a model, with its length."""


def inputs(row: dict[str, Any]) -> dict[str, Any]:
    """Complete a row of RUNS with private keys and the like, drawn from its title."""
    random, model = Random(row["title"]), row["model"]
    lengths = {"sk_i": 32, "sk_r": 32, "x": 32, "y": 32, "jti": 16} | DRAWN.get(model, {})
    shown = {"identity": b"Demo lamp".hex()} if model == "passcode" else {}
    return DEFAULTS | row | shown | {name: random(length).hex() for name, length in lengths.items()}


def outputs(run: PairingRun) -> dict[str, Any]:
    """Run both ends against one another and return all that came of it."""
    (client, ours), (device, theirs) = run.initiator(), run.responder()
    values = dict(run.values)
    values["message_1"] = client.start(run.ephemeral("x"), values["c_i"])
    values["message_2"] = device.answer(values["message_1"], lambda _: run.ephemeral("y"), values["c_r"])
    values["th_3"] = vars(vars(device)["_session"])["_step"].th_3
    values["message_3"] = client.receive_2(values["message_2"])
    values["th_4"] = vars(vars(client)["_session"])["_step"].th_4
    device.open(values["message_3"])
    number = ""
    if isinstance(ours, CompareInitiator) and isinstance(theirs, CompareResponder):
        number = theirs.show(0)
        run = replace(run, others={**run.others, "number": number})
        run.compare(ours)
        run.compare(theirs)
    values["message_4"], channel = device.confirm(values["jti"], run.others["iat"], run.others["exp"])
    agreement = client.receive_4(values["message_4"])
    exporter = vars(device)["_session"].exporter()
    values |= {"prk_out": exporter.prk_out, "channel_secret": ours.channel_secret()} | binding_of(agreement)
    values |= {"record_i": agreement.channel.seal(FIRST_RECORD), "record_r": channel.seal(FIRST_RECORD)}
    key = agreement.key
    values |= {"export": key.export(*EXPORT), "resumption_secret": resumption_secret(key)}
    values["th_2"] = th_2(run, values["message_1"])
    run = replace(run, values=values)
    values |= transcript(run) | derived_keys(run)
    return {name: values[name].hex() for name in OUTPUTS} | {"number": number}


def th_2(run: PairingRun, message_1: bytes) -> bytes:
    """Return TH_2, which no object keeps once message_2 has been sent."""
    return schedule.th_2(Hash.SHA256, run.ephemeral("y").x, message_1)


def generate() -> str:
    """Return the text of the file."""
    rows = [inputs(row) for row in RUNS]
    models = [row | outputs(PairingRun.of(row, outputs=False)) for row in rows]
    return json.dumps({"source": SOURCE, "models": models}, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(generate())
