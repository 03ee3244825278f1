"""`oob label`: draw the label of a device, or make a batch of devices with theirs."""

import argparse
import asyncio
import os
import time
from contextlib import closing
from pathlib import Path
from shlex import quote

from oob.cli.terminal import ASK_CODE, Terminal
from oob.errors import UsageError
from oob.labels.batch import TABLE_FILE, Plan, make_batch
from oob.labels.drawing import KINDS, Label, draw, half_blocks
from oob.pairing import Bootstrap, Model, Passcode
from oob.pairing.bootstrap import PREFIX
from oob.progress import Progress
from oob.storage import write_atomic

REPORT_EVERY = 1.0
"""Seconds between two lines that say how far a batch is."""


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Draw one label, into a file or on the terminal."""
    kind = _kind(args.out) if args.out is not None else None
    label = _read(args, terminal)
    if kind is None:
        _show(label, terminal)
        return 0
    write_atomic(args.out, draw(label, kind))
    size = f"{label.width:g} x {label.height:.1f} mm, QR code {label.code.designator}"
    terminal.say(f"Wrote {args.out}: {size}. Only you can read it: it holds what the device is paired by.")
    terminal.result({"label": str(args.out), **_describe(label)})
    return 0


async def batch(args: argparse.Namespace, terminal: Terminal) -> int:
    """Make devices and labels; stopped between two of them, it goes on when it is called again."""
    model = Model[args.model.upper()]
    plan = Plan(args.count, args.name, model, args.format, args.size, args.url_template, args.font)
    reported = time.monotonic()
    with closing(make_batch(args.out, plan, os.urandom, time.time(), secrets=args.with_secrets)) as making:
        for done, made in enumerate(making, 1):
            terminal.result(made.row(secrets=args.with_secrets))
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                terminal.progress(Progress("batch", "made", f"{done} of {plan.count}"))
            await asyncio.sleep(0)  # here Ctrl-C takes effect
    terminal.say(f"Made {plan.count} devices with their labels in {args.out}; the table is {args.out / TABLE_FILE}.")
    options = f"--model {args.model} --name {quote(plan.name)}{_printed(model)} --state {quote(str(args.out / '0001'))}"
    terminal.say(f"Run each on its device, the first one so:  oob device run --ble {options}")
    terminal.say("The directories and labels hold what the devices are paired by: show them to nobody.")
    return 0


def _kind(path: Path) -> str:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        remedy = f"Name a file that ends in {', '.join(f'.{each}' for each in KINDS)}"
        raise UsageError(f"{path.name} tells no format", step="label", remedy=remedy)
    return kind


def _read(args: argparse.Namespace, terminal: Terminal) -> Label:
    """Ask for what stands on the label."""
    text = terminal.ask(ASK_CODE)
    if not text.startswith(PREFIX):
        remedy = f'Pipe it to stdin: it starts with "{PREFIX}"; a passcode comes on the line after it'
        raise UsageError("no pairing code was given", step="label", remedy=remedy)
    bootstrap = Bootstrap.from_text(text)
    digits = terminal.ask("Passcode, if there is one:")
    passcode = Passcode.parse(digits) if digits else None
    return Label(bootstrap, passcode, bootstrap.name if args.name is None else args.name, args.size, args.font)


def _show(label: Label, terminal: Terminal) -> None:
    lines = half_blocks(label)
    terminal.show_code(lines)
    for line in (label.passcode.display() if label.passcode else "", label.name):
        if line:
            terminal.show(line.center(label.modules).rstrip())
    terminal.result({**_describe(label), "lines": lines})


def _describe(label: Label) -> dict[str, object]:
    return {
        "name": label.name,
        "width_mm": label.width,
        "height_mm": round(label.height, 3),
        "code": label.code.designator,
    }


def _printed(model: Model) -> str:
    return " --printed" if model is Model.PASSCODE else ""
