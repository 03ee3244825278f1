"""Running one command: its event loop, its signals, its errors."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
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
    """Clean up on SIGTERM, and when the terminal is closed, as on Ctrl-C: no file, socket or daemon stays behind."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  this is a coroutine
    _on_end(task.cancel)
    return await work


def _on_end(act: Callable[[], object]) -> None:
    """Do this on SIGTERM, and on SIGHUP unless nohup has it ignored; nothing where there is no such signal."""
    loop = asyncio.get_running_loop()
    with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
        loop.add_signal_handler(signal.SIGTERM, act)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, act)
