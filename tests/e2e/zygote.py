"""A process that forks devices, clients and issuers which SIGKILL themselves at a chosen moment.

It reads one JSON object a line from stdin and answers each with one. Everything is imported once, so that a new process
costs a few milliseconds; it has no threads and no loop of its own, so that a fork is safe.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import oob.cli.issuer  # noqa: F401  imported for all children
from oob.cli import main
from oob.client import pair
from oob.device import Device, device
from oob.issuance.server import app
from oob.pairing import Model
from oob.progress import Progress
from oob.sim.page import DemoPage
from oob.transport.socket import SocketListener, connect

Kill = tuple[str, int] | None
"""What to die of: ("step", n), ("before", n), ("between", n) or ("after", n) a write, ("request", n), ("answer", n)."""


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL does not return")


def counted(kill: Kill, kind: str) -> Callable[[], None]:
    """Return what dies at its n-th call, if that is how to die."""
    left = kill[1] if kill and kill[0] == kind else -1

    def note() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            die()

    return note if left >= 0 else lambda: None


def die_writing(kill: Kill) -> None:
    """Arrange for a death around a write of `oob.storage`: a file is made, written, and renamed."""
    before, between, after = (counted(kill, kind) for kind in ("before", "between", "after"))
    make, replace = tempfile.mkstemp, os.replace

    def dying_make(*args: Any, **options: Any) -> Any:
        before()
        return make(*args, **options)

    def dying_replace(source: Any, target: Any) -> None:
        between()
        replace(source, target)
        after()

    tempfile.mkstemp, os.replace = dying_make, dying_replace  # type: ignore[assignment]


def reporter(log: Path, kill: Kill) -> Callable[[Progress], None]:
    step = counted(kill, "step")

    def report(progress: Progress) -> None:
        with log.open("a") as file:
            file.write(f"{progress.step}\n")
        step()

    return report


async def run_device(state: Path, socket: Path, log: Path, kill: Kill, model: str) -> None:
    report = reporter(log, kill)
    state.mkdir(mode=0o700, exist_ok=True)
    page = DemoPage("Lamp", state)
    paired = Device("Lamp", state, page, model=Model[model.upper()], report=report)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, paired.offer.press)
    listener = SocketListener(socket)
    await listener.start()
    with log.open("a") as file:
        file.write("up\n")
    await paired.serve(listener)


async def run_client(
    state: Path, socket: Path, log: Path, kill: Kill, code: str, issuer: str, root: Path, *, name: str
) -> None:
    link = await connect(socket)
    report = reporter(log, kill)
    await pair(code, issuer=issuer, root=root.read_bytes(), directory=state, names=(name,), link=link, report=report)


def run_issuer(argv: list[str], kill: Kill) -> int:
    request, answer = counted(kill, "request"), counted(kill, "answer")
    genuine = app._endpoint

    def dying(issuer: Any, handler: Any) -> Any:
        serve = genuine(issuer, handler)

        async def endpoint(asked: Any) -> Any:
            request()
            response = await serve(asked)
            answer()
            return response

        return endpoint

    app._endpoint = dying
    return main(argv)


def child(order: dict[str, Any]) -> int:
    kill = tuple(order["kill"]) if order.get("kill") else None
    if order["role"] == "issuer":
        return run_issuer(order["argv"], kill)
    die_writing(kill)
    device.RETRY = 0.05
    paths = {name: Path(order[name]) for name in ("state", "socket", "log")}
    if order["role"] == "device":
        asyncio.run(run_device(**paths, kill=kill, model=order["model"]))
    else:
        root = Path(order["root"])
        asyncio.run(
            run_client(**paths, kill=kill, code=order["code"], issuer=order["issuer"], root=root, name=order["name"])
        )
    return 0


def fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with open(order["errors"], "ab", buffering=0) as errors:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(errors.fileno(), 1)
            os.dup2(errors.fileno(), 2)
        code = child(order)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """Return the exit code, negative for a signal; None if the child still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        answer = wait(asked["wait"], asked["seconds"]) if "wait" in asked else fork(asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
