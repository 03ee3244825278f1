"""Lines from stdin while the event loop runs: a press of a button, or the answer to a question."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oob.cli.terminal import Terminal

AWHILE = 0.5
"""Seconds between two looks at what was typed while this is in the background."""


class Keyboard:
    """Takes each empty line on a terminal as a press, unless a question waits for it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._question: asyncio.Future[str] | None = None
        self._look_again: asyncio.TimerHandle | None = None

    @property
    def is_there(self) -> bool:
        """Whether somebody can type."""
        return sys.stdin is not None and sys.stdin.isatty()

    async def confirm(self, question: str) -> bool:
        """Ask, and return whether the answer is yes; False where nobody can answer."""
        self._terminal.show(f"{question} [y/N]")
        if not self.is_there:
            return False
        self._question = asyncio.get_running_loop().create_future()
        try:
            return (await self._question).strip().casefold() in ("y", "yes")
        finally:
            self._question = None

    @contextmanager
    def listening(self, press: Callable[[], None]) -> Iterator[None]:
        """Listen during the block; without a terminal there is nothing to listen to."""
        if not self.is_there:
            yield
            return
        loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

        def on_input() -> None:
            line = _read(stdin)
            if line is None:  # it stays there to be read: look again, but not all the time
                loop.remove_reader(stdin)
                self._look_again = loop.call_later(AWHILE, loop.add_reader, stdin, on_input)
            elif not line:
                loop.remove_reader(stdin)  # Ctrl-D, or the terminal is closed
            elif self._question is not None and not self._question.done():
                self._question.set_result(line.decode(errors="replace"))
            elif not line.strip():
                press()  # and no answer that comes too late is taken for one

        loop.add_reader(stdin, on_input)
        try:
            yield
        finally:
            loop.remove_reader(stdin)
            if self._look_again is not None:
                self._look_again.cancel()


def _read(terminal: int) -> bytes | None:
    """Return a line; None in the background, where it is for somebody else; nothing from a closed terminal."""
    try:
        return os.read(terminal, 4096) if os.tcgetpgrp(terminal) == os.getpgrp() else None
    except OSError:
        return b""
