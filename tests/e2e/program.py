"""`oob` as a program: started, listened to, signalled and awaited."""

import os
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
) -> Iterator[Program]:
    """Run `oob` with these arguments, with `temporary` for its temporary files and its home."""
    command = [sys.executable, *options, "-m", "oob.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "HOME": str(temporary)}
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
