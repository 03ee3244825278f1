"""Starting, signalling and awaiting the children of the zygote."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds after which a test fails instead of hanging; nothing is expected to take as long."""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.003)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Zygote:
    """The forking process."""

    process: "subprocess.Popen[str]"
    errors: Path
    children: list["Child"] = field(default_factory=list)

    def ask(self, order: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, role: str, *, kill: tuple[str, int] | None = None, **options: Any) -> "Child":
        order = {"role": role, "kill": kill, "errors": str(self.errors), **options}
        child = Child(self, self.ask({name: str(o) if isinstance(o, Path) else o for name, o in order.items()}))
        self.children.append(child)
        return child


@dataclass
class Child:
    """A forked process."""

    zygote: Zygote
    pid: int
    code: int | None = None

    def wait(self) -> int:
        """Return its exit code, negative for the signal that ended it."""
        if self.code is None:
            self.code = self.zygote.ask({"wait": self.pid, "seconds": PATIENCE})
        assert self.code is not None, "it does not end"
        return self.code

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        if self.code is None:
            self.signal(signal.SIGKILL)
            self.wait()


@contextmanager
def zygote(directory: Path) -> Iterator[Zygote]:
    command = [sys.executable, "-m", "tests.e2e.zygote"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        family = Zygote(process, directory / "errors.txt")
        try:
            yield family
        finally:
            for child in family.children:
                child.kill()
            assert process.stdin is not None
            process.stdin.close()
