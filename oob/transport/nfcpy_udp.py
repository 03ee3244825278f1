"""The reader that nfcpy simulates over UDP, made more like the air. For tests, and to try things without hardware."""

import select
import socket
from typing import Any, Final

LOOK: Final = 0.1
"""Seconds for a simulated tag to show itself: what is lost, is sent again with the next look."""
_NFCPY_LOOK: Final = 1.0


def like_the_air(driver: Any) -> None:  # noqa: ANN401 - nfcpy has no types
    """Change one driver of nfcpy 1.0.4, `nfc.clf.udp.Device`, in four ways.

    It listens at the address of its path alone, not at all of the machine; it looks for tags for a tenth of the time;
    what comes too late is lost, where otherwise it would be taken for the answer to the next command; and what comes
    between two times of listening is not: a reader in step with it would never be heard to its end.
    """
    send, receive, mute = driver._send_data, driver._recv_data, driver.mute

    def is_bound() -> bool:
        return driver.socket is not None and driver.socket.getsockname() == driver.addr

    def bind(_: float) -> bool:
        if not is_bound():
            driver.socket.bind(driver.addr)
        return True

    def mute_what_speaks() -> None:
        if not is_bound():
            mute()

    def send_into_silence(*frame: object) -> None:
        while _waits(driver.socket) and not driver.socket.recv(5, socket.MSG_PEEK).startswith(b"RFOFF"):
            driver.socket.recv(1)
        send(*frame)

    def receive_sooner(timeout: float | None, *technologies: str) -> object:
        return receive(LOOK if timeout == _NFCPY_LOOK else timeout, *technologies)

    driver._bind_socket, driver._send_data, driver._recv_data = bind, send_into_silence, receive_sooner
    driver.mute, driver.close = mute_what_speaks, mute


def _waits(where: socket.socket) -> bool:
    return bool(select.select([where], [], [], 0)[0])
