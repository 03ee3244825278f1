"""`oob sim`: simulated Bluetooth for other programs."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress

from oob.cli.device import offer
from oob.cli.terminal import Terminal
from oob.errors import UsageError
from oob.sim.bluez import simulated_bluez
from oob.sim.radio import VirtualRadio

_KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""


async def bluez(args: argparse.Namespace, _terminal: Terminal) -> int:
    """Run a program on simulated adapters; return its exit code."""
    async with VirtualRadio() as radio, simulated_bluez(radio, adapters=args.adapters) as stand_in:
        try:
            program = await asyncio.create_subprocess_exec(
                *args.command, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": stand_in.address}
            )
        except OSError as error:
            raise UsageError(f"cannot run {args.command[0]} ({error.strerror})", step="sim") from None
        _forward_signals(program)
        code = await _ended(program)
    return code if code >= 0 else _KILLED - code


async def device(args: argparse.Namespace, terminal: Terminal) -> int:
    """Be a simulated device until stopped."""
    async with VirtualRadio() as radio, simulated_bluez(radio) as stand_in:
        terminal.say(f"Simulated Bluetooth LE:  export DBUS_SYSTEM_BUS_ADDRESS={stand_in.address}")
        terminal.result({"who": "sim", "step": "bus", "detail": stand_in.address})
        peripheral = await radio.peripheral(tag=None)
        return await offer(args, terminal, lambda device: peripheral, "oob pair --issuer URL --root FILE")


async def _ended(program: asyncio.subprocess.Process) -> int:
    """Wait for the program, which does not outlive this."""
    try:
        return await program.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            program.terminate()
        await program.wait()
        raise


def _forward_signals(program: asyncio.subprocess.Process) -> None:
    """Let the program decide what a signal means; this ends when it does, and cleans up."""

    def forward(number: signal.Signals) -> None:
        if number is signal.SIGINT and _in_foreground():
            return  # the terminal has told the program, too
        with suppress(ProcessLookupError):
            program.send_signal(number)

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, forward, number)


def _in_foreground() -> bool:
    """Whether Ctrl-C in this terminal reaches the program by itself."""
    for stream in (0, 1, 2):  # any of them may be redirected
        with suppress(OSError, AttributeError):  # no terminal; no such thing on this system
            return os.tcgetpgrp(stream) == os.getpgrp()
    return False
