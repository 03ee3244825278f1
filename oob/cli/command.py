"""Running one command: its event loop, its signals, its errors."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from oob.cli.parser import parse
from oob.cli.terminal import Terminal
from oob.errors import OobError

TERMINATED = 143


def run(argv: Sequence[str] | None) -> int:
    """Run the command in `argv` and return its exit code. KeyboardInterrupt after a Ctrl-C, when all is cleaned up."""
    args = parse(argv)
    terminal = Terminal(args.json)
    module, _, function = args.run.rpartition(".")
    try:
        # A command that asks for something does so here, before the loop takes charge of Ctrl-C.
        work: Coroutine[Any, Any, int] = getattr(import_module(module), function)(args, terminal)
        return asyncio.run(_until_terminated(work))
    except OobError as error:
        terminal.error(error)
        return error.exit_code
    except asyncio.CancelledError:
        terminal.say("Terminated.")
        return TERMINATED


async def _until_terminated(work: Coroutine[Any, Any, int]) -> int:
    """Clean up on SIGTERM as on Ctrl-C: no temporary directory and no socket stays behind."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  this is a coroutine
    with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
