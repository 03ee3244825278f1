"""`oob` as a program: started, listened to, signalled and awaited."""

import os
import pty
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.family import PATIENCE, ROOT


@dataclass
class Program:
    """A running command. Its stderr, and its stdout, are read line by line as they come."""

    process: "subprocess.Popen[str]"
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)
    seen: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def follow(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
            reader.start()
            self.readers.append(reader)

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.put(line)

    def until(self, text: str) -> str:
        """Wait for a line with `text`, and return it."""
        while True:
            line = self.lines.get(timeout=PATIENCE)
            self.seen.append(line)
            if text in line:
                return line

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE)

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    @property
    def output(self) -> str:
        """Everything that it wrote; once it has ended."""
        for reader in self.readers:
            reader.join(PATIENCE)
        while not self.lines.empty():
            self.seen.append(self.lines.get())
        return "".join(self.seen)


@contextmanager
def program(
    *arguments: object,
    temporary: Path,
    options: tuple[str, ...] = (),
    stdin: int = subprocess.PIPE,
    process_group: int | None = None,
    before: str = "",
) -> Iterator[Program]:
    """Run `oob` with these arguments, with `temporary` for its temporary files and its home.

    Python runs the code `before` first, which can take something away from it.
    """
    if before:
        (temporary / "sitecustomize.py").write_text(before)
    command = [sys.executable, *options, "-m", "oob.cli", *map(str, arguments)]
    environment = {**os.environ, "TMPDIR": str(temporary), "HOME": str(temporary)}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (temporary, ROOT) if before else (ROOT,)))
    environment.pop("XDG_STATE_HOME", None)
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        cwd=temporary,
        stdin=stdin,
        stdout=pipe,
        stderr=pipe,
        text=True,
        process_group=process_group,
    ) as process:
        running = Program(process)
        running.follow()
        try:
            yield running
        finally:
            process.kill()


def check_stopped(running: Program, number: signal.Signals = signal.SIGINT) -> None:
    """Stop a program; it must say so in one last line."""
    code, line = (130, "Stopped.") if number is signal.SIGINT else (143, "Terminated.")
    assert running.stop(number) == code
    output = running.output
    assert output.splitlines()[-1] == line
    assert output.count(line) == 1
    assert "Traceback" not in output
    assert "Exception" not in output


@contextmanager
def at_terminal(*arguments: object, directory: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run `oob` at a real terminal, where Ctrl-C is a key; yield the terminal's other end and the process."""
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "oob.cli", *map(str, arguments)],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            # Who opens a terminal as the leader of a session is under its control from then on.
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        ) as process:
            os.close(terminal)
            try:
                yield keyboard, process
            finally:
                process.kill()
    finally:
        os.close(keyboard)


def read_until(command: int, text: bytes) -> bytes:
    """Return what a terminal shows, up to and with `text`."""
    read = b""
    while text not in read:
        read += os.read(command, 1)
    return read
