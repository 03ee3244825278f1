"""The one place that owns the terminal: progress and errors on stderr, results on stdout, JSON for machines."""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from oob.errors import IssuanceError, OobError, UsageError
from oob.progress import Progress

MAX_LINE = 4096
ASK_CODE = "Text of the QR code (OOB:...):"
_BLACK_ON_WHITE, _RESET = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
"""Of the 256 colours: the first 16 are whatever the user's theme makes of them."""
_COLOURS = {"client": "cyan", "device": "magenta", "issuer": "green", "mallory": "red"}


class OutputLost(OobError):
    """Nobody takes the output any more."""


class Terminal:
    """Speaks to a person, or prints one JSON object a line when `machine` is set."""

    def __init__(self, machine: bool) -> None:
        self.machine = machine
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        """Show a step; a machine that waits for a result is not shown any."""
        if not self.machine:
            colour = _COLOURS.get(progress.who, "white")
            step = _shown(f"{progress.step:18}" if progress.detail else progress.step)
            detail = f"  [dim]{_shown(progress.detail)}[/dim]" if progress.detail else ""
            self._print(f"[{colour}]{progress.who:>7}[/{colour}]  {step}{detail}")

    def event(self, progress: Progress) -> None:
        """Show a step of a command that runs until it is stopped: a machine gets a line for each."""
        if self.machine:
            self.result({"who": progress.who, "step": progress.step, "detail": progress.detail})
        else:
            self.progress(progress)

    def say(self, text: str) -> None:
        """Tell a person something; machines do not hear it."""
        if not self.machine:
            self._print(_shown(text))

    def table(self, rows: dict[str, str]) -> None:
        """Tell a person several things, aligned."""
        width = max(map(len, rows))
        for label, text in rows.items():
            self.say(f"  {label:{width}}  {text}")

    def show(self, text: str) -> None:
        """Write a line of the result for a person to stdout."""
        if not self.machine:
            _write(_printable(text))

    def show_code(self, lines: list[str]) -> None:
        """Write a QR code of half blocks to stdout. UsageError where there are no such characters, or not the width.

        A terminal gets it black on white, whatever its own colours are; a file as it is, for paper is white.
        """
        if self.machine:
            return
        try:
            "".join(lines).encode(sys.stdout.encoding or "ascii")
        except UnicodeEncodeError as error:
            remedy = "Draw it into a file (--out), or set PYTHONIOENCODING=utf-8"
            raise UsageError("this terminal cannot show a QR code", step="stdout", remedy=remedy) from error
        if sys.stdout.isatty() and shutil.get_terminal_size().columns < len(lines[0]):
            remedy = f"Make it {len(lines[0])} columns wide, or draw the code into a file (--out)"
            raise UsageError("this terminal is too narrow for the QR code", step="stdout", remedy=remedy)
        for line in lines:
            _write(f"{_BLACK_ON_WHITE}{line}{_RESET}" if sys.stdout.isatty() else line)

    def result(self, value: dict[str, Any]) -> None:
        """Write the result for a machine: one JSON object, one line."""
        if self.machine:
            _write(json.dumps(value))

    def error(self, error: OobError) -> None:
        """Say what failed, why, and what to do."""
        if isinstance(error, OutputLost):
            if not isinstance(error.__cause__, BrokenPipeError):  # who runs `| head` does not want to hear of it
                sys.stderr.write(f"Failed  {error}.\n")
            return
        self.result({"error": describe(error)})
        self.failure("Failed", error)

    def failure(self, verdict: str, error: OobError) -> None:
        """Show a person an error under a heading of one word."""
        if not self.machine:
            step = f"[bold]{_shown(error.step)}:[/bold] " if error.step else ""
            self._print(f"[red]{verdict}[/red]  {step}{_shown(error.cause)}.")
            if error.remedy:
                self._print(f"{'':{len(verdict)}}  {_shown(error.remedy)}.")

    def _print(self, markup: str, end: str = "\n") -> None:
        """Print on stderr. That a terminal was closed is no reason to fail: a device goes on without."""
        try:
            self._console.print(markup, end=end)
        except OSError:
            self._console.quiet = True

    def ask(self, question: str) -> str:
        """Read one line from stdin, after a question on stderr where a person sits there. Raises UsageError."""
        if sys.stdin is None:
            return ""
        if sys.stdin.isatty():
            self._print(f"{escape(question)} ", end="")
        try:
            with _interruptible():
                return sys.stdin.readline(MAX_LINE).strip()
        except KeyboardInterrupt:
            self.say("")  # the question keeps its line
            raise
        except UnicodeDecodeError as error:
            raise UsageError("what came on stdin is not text", step="stdin") from error

    def read(self, limit: int) -> bytes:
        """Return what comes on stdin, at most `limit` bytes; where a person sits there, one line."""
        if sys.stdin is None or sys.stdin.isatty():
            return self.ask(ASK_CODE).encode()
        return sys.stdin.buffer.read(limit)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: an event loop that runs would hear of it only after the answer."""
    former = signal.getsignal(signal.SIGINT)
    if not callable(former) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _write(line: str) -> None:
    """Write a line to stdout, at once."""
    try:
        print(line, flush=True)
    except OSError as error:
        # What is left in the buffer must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        cause = error.strerror or type(error).__name__
        raise OutputLost(f"the output cannot be written: {cause}", step="stdout") from error


def _printable(text: str) -> str:
    """Replace control characters: names and reasons come from others, and must not steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def _shown(text: str) -> str:
    return escape(_printable(text))


def describe(error: OobError) -> dict[str, Any]:
    """Return an error as JSON has it."""
    described: dict[str, Any] = {
        "kind": type(error).__name__,
        "step": error.step,
        "cause": error.cause,
        "remedy": error.remedy,
        "exit_code": error.exit_code,
    }
    if isinstance(error, IssuanceError) and error.problem:
        described["problem"] = error.problem
    return described
