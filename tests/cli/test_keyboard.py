"""A terminal, typed at: lines are presses, unless a question waits."""

import asyncio
import errno
import os
import pty
import sys
from collections.abc import Iterator

import pytest

from oob.cli.keyboard import Keyboard
from oob.cli.terminal import Terminal


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the end of a terminal at which a person types."""
    person, program = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(program, closefd=False))
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    yield person
    os.close(person)
    os.close(program)


@pytest.mark.parametrize(("line", "agreed"), [(b"y\n", True), (b"YES\n", True), (b"\n", False), (b"no\n", False)])
async def test_a_question_waits_for_its_answer(typed: int, line: bytes, agreed: bool) -> None:
    keyboard, presses = Keyboard(Terminal(False)), asyncio.Event()
    with keyboard.listening(presses.set):
        asking = asyncio.create_task(keyboard.confirm("Same?"))
        await asyncio.sleep(0)
        os.write(typed, line)
        assert await asyncio.wait_for(asking, 5) is agreed
        assert not presses.is_set()
        os.write(typed, b"\n")
        await asyncio.wait_for(presses.wait(), 5)


async def test_an_answer_that_comes_too_late_is_no_press(typed: int) -> None:
    presses: list[None] = []
    with Keyboard(Terminal(False)).listening(lambda: presses.append(None)):
        os.write(typed, b"n\n")
        await asyncio.sleep(0.01)
        assert not presses


async def test_without_a_terminal_nobody_says_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    keyboard = Keyboard(Terminal(False))
    assert not keyboard.is_there
    with keyboard.listening(lambda: None):
        assert not await keyboard.confirm("Same?")


async def test_what_is_typed_for_somebody_else_stays_and_is_looked_at_now_and_then(
    typed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, pressed = iter((-1, -1, os.getpgrp())), asyncio.Event()
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: next(looks))
    monkeypatch.setattr("oob.cli.keyboard.AWHILE", 0.01)
    with Keyboard(Terminal(False)).listening(pressed.set):
        os.write(typed, b"\n")
        await asyncio.wait_for(pressed.wait(), 5)  # at the third look, when it is in the foreground again
    assert next(looks, None) is None


async def test_a_terminal_that_is_closed_is_left_alone(typed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()

    def closed(_: int) -> int:
        assert not looked.is_set()
        looked.set()
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    with Keyboard(Terminal(False)).listening(lambda: None):
        monkeypatch.setattr(os, "tcgetpgrp", closed)
        os.write(typed, b"\n")
        await asyncio.wait_for(looked.wait(), 5)
        stdin = sys.stdin.fileno()
        assert not asyncio.get_running_loop().remove_reader(stdin)
