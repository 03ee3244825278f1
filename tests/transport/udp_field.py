"""Tags that nfcpy simulates over UDP on the loopback device, each in a thread of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from nfc.clf import BrokenLinkError, CommunicationError, LocalTarget

from oob.sim.tags import SimulatedFelica
from oob.transport.nfcpy_edge import Device
from oob.transport.nfcpy_emulator import ANEW
from oob.transport.nfcpy_frontend import Frontend

WINDOW = 0.05
"""Seconds between two looks whether the test is over."""
LISTEN = 5.0

Answer = Callable[[bytes], bytes | None]


def type_a(sel_res: int) -> LocalTarget:
    """Return a tag of type 2 (00h) or 4A (20h)."""
    return LocalTarget(
        "106A",
        sens_res=bytearray(b"\x44\x00"),
        sdd_res=bytearray.fromhex("04112233445566"),
        sel_res=bytearray((sel_res,)),
    )


def type_f() -> LocalTarget:
    """Return a tag of type 3."""
    return LocalTarget("212F", sensf_res=bytearray(b"\x01" + SimulatedFelica.idm + SimulatedFelica.pmm + b"\x12\xfc"))


def as_type_3(chip: SimulatedFelica) -> Answer:
    """Return what a chip says on the air, where each frame has a length and an IDm."""

    def answer(frame: bytes) -> bytes | None:
        if frame[0] != len(frame) or frame[2:10] != chip.idm:
            return None
        said = bytes((frame[1] + 1,)) + chip.idm + chip.process(frame[1:2] + frame[10:])
        return bytes((len(said) + 1,)) + said

    return answer


def free_path() -> str:
    """Return a path of nfcpy at which nobody listens; nfcpy takes no port that has a name in /etc/services."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            host, port = probe.getsockname()
        if socket.getnameinfo((host, port), socket.NI_NUMERICHOST)[1] == str(port):
            return f"udp:{host}:{port}"


@contextmanager
def tag_at(path: str, target: LocalTarget, answer: Answer) -> Iterator[None]:
    """Hold a tag to the reader at `path`: `answer` is given each frame, and returns what the tag says, or None."""
    over = threading.Event()
    thread = threading.Thread(target=_hold, args=(path, target, answer, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        while thread.is_alive():
            _wake(path)
            thread.join(WINDOW)


def _wake(path: str) -> None:
    """Let whoever listens at a path receive something."""
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"RFOFF", (host, int(port)))


class _OverError(Exception):
    """The test is over."""


def _hold(path: str, target: LocalTarget, answer: Answer, over: threading.Event) -> None:
    frontend = Frontend(path)
    frontend.call(partial(_end_with, over=over))
    with suppress(_OverError):
        while not over.is_set():
            frontend.call(partial(_serve, target=target, answer=answer, over=over))
    frontend.close()


def _end_with(device: Device, over: threading.Event) -> None:
    """Let nfcpy end with the test; else it waits on for its time."""
    receive = device.device._recv_data

    def receive_while(*args: object) -> object:
        try:
            return receive(*args)
        finally:
            if over.is_set():
                raise _OverError

    device.device._recv_data = receive_while


def _serve(device: Device, target: LocalTarget, answer: Answer, over: threading.Event) -> None:
    found = device.listen(target, LISTEN)
    frame = _first(found) if found else None
    while frame is not None and frame not in ANEW and not over.is_set():
        frame = _exchange(device, answer(frame) if frame else None)


def _first(found: LocalTarget) -> bytes:
    if found.tt3_cmd:
        return bytes((len(found.tt3_cmd) + 1,)) + bytes(found.tt3_cmd)
    return bytes(found.tt2_cmd or found.tt4_cmd)


def _exchange(device: Device, said: bytes | None) -> bytes | None:
    """Return the next frame, b"" for none yet, None for a reader that is gone."""
    try:
        return bytes(device.exchange(None if said is None else bytearray(said), WINDOW) or b"")
    except BrokenLinkError:
        return None
    except CommunicationError:
        return b""
