"""`oob demo`: the whole idea in a few seconds, or an attack on it."""

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oob.cli.terminal import Terminal, describe
from oob.errors import AuthenticationError, IssuanceError, OobError, PeerError
from oob.pairing import Model
from oob.progress import Progress, Report
from oob.sim.attacks import ATTACKS
from oob.sim.demo import Stopwatch
from oob.sim.demo import run as run_demo
from oob.sim.home import Home, home

ATTACK_SUCCEEDED = 1


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run the demonstration or an attack and report; the exit code is that of the refusal."""
    with ExitStack() as stack:
        directory = args.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oob-demo-")))
        watch = Stopwatch(terminal.progress)
        model = Model[args.model.upper()] if args.model else None
        async with home(directory, carrier=args.carrier, model=model, report=watch) as running:
            if args.attack:
                return await _attack(running, args.attack, watch, terminal)
            result = await run_demo(running, watch)
    terminal.result(result)
    _summarise(result, running.way.medium, terminal)
    return 0


async def _attack(running: Home, name: str, report: Report, terminal: Terminal) -> int:
    """Run one attack: refused is what raised a refusal *and* left nothing authorised."""
    attack = ATTACKS[name]
    report(Progress("mallory", name, attack.story))
    running.device.offer.press()
    ended: OobError | None = None
    try:
        await attack.run(running, report)
    except OobError as error:
        ended = error
    audit = asdict(await running.issuer.store.audit())
    authorised = audit["bindings"] + audit["accounts"] + audit["certificates"]
    refused = ended is not None and not authorised
    if ended is not None and refused and not isinstance(ended, AuthenticationError | IssuanceError | PeerError):
        raise ended  # the bench failed, and nobody refused anything
    outcome = {"refused": refused} | ({"error": describe(ended)} if ended else {})
    terminal.result({"attack": name, "carrier": running.carrier, **outcome, "authorised": authorised, "issuer": audit})
    if ended is not None:
        terminal.failure("Refused" if refused else "Ended", ended)
    terminal.say(f"Left authorised at the issuer: {authorised or 'nothing'}.")
    if ended is None or not refused:
        terminal.say("THE ATTACK SUCCEEDED. Please report this.")
        return ATTACK_SUCCEEDED
    return ended.exit_code


def _summarise(result: dict[str, Any], medium: str, terminal: Terminal) -> None:
    certificate = result["certificate"]
    bytes_in_all = result["bytes_sent"] + result["bytes_received"]
    terminal.say(f"\n{result['url']} is open over verified HTTPS.\n")
    terminal.table(
        {
            "paired": f"over {medium} by {result['strength']}: {result['round_trips']} round trips, "
            f"{bytes_in_all} bytes, {result['handshake_ms']} ms",
            "key": f"{result['device_key'][:16]}..., bound to the session; the certificate is for it and for no other",
            "names": ", ".join(certificate["names"]),
            "certificate": f"by {certificate['issuer']}, until {certificate['not_after'][:10]}, "
            f"in {result['issuance_ms']} ms",
            "in all": f"{result['total_ms']} ms",
        }
    )
    terminal.say("\nNext:  oob demo --attack mitm   an attack on this, which must fail")
    terminal.say("       oob --help               be device, issuer and client yourself")
