"""The reader that nfcpy simulates over UDP: where it listens, and what it does not hear."""

import socket
from collections.abc import Iterator

import nfc.clf.udp
import pytest

from oob.transport.nfcpy_udp import LOOK, like_the_air
from tests.transport.udp_field import free_path, type_a

HERE = "127.0.0.1"


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((HERE, 0))
        yield opened


@pytest.fixture
def driver(other: socket.socket) -> Iterator[nfc.clf.udp.Device]:
    made = nfc.clf.udp.Device(HERE, other.getsockname()[1])
    like_the_air(made)
    yield made
    made.close()


def test_it_listens_at_its_own_address() -> None:
    _, host, port = free_path().split(":")
    driver = nfc.clf.udp.Device(host, int(port))
    like_the_air(driver)
    driver._bind_socket(0)
    assert driver.socket.getsockname() == (HERE, int(port))
    driver.close()


def test_what_comes_too_late_is_lost(driver: nfc.clf.udp.Device, other: socket.socket) -> None:
    driver._send_data("106A", b"\x01", other.getsockname())
    _, address = other.recvfrom(99)
    for late in (b"106A aa", b"106A bb"):
        other.sendto(late, address)
    driver._send_data("106A", b"\x02", other.getsockname())
    other.sendto(b"106A cc", address)
    assert driver._recv_data(5.0, "106A")[1] == b"\xcc"


def test_that_the_field_was_switched_off_is_not_lost(driver: nfc.clf.udp.Device, other: socket.socket) -> None:
    driver._send_data("106A", b"\x01", other.getsockname())
    _, address = other.recvfrom(99)
    for late in (b"106A aa", b"RFOFF"):
        other.sendto(late, address)
    driver._send_data("106A", b"\x02", other.getsockname())
    with pytest.raises(nfc.clf.BrokenLinkError):
        driver._recv_data(5.0, "106A")


def test_it_looks_for_a_tag_for_a_shorter_time(driver: nfc.clf.udp.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def nothing_comes(*how: float) -> tuple[list[int], ...]:
        waits.append(how[3])
        now[0] += how[3]
        return [], [], []

    now = [0.0]
    monkeypatch.setattr("nfc.clf.udp.select.select", nothing_comes)
    monkeypatch.setattr("nfc.clf.udp.time.time", lambda: now[0])
    for timeout in (1.0, 2.5):
        with pytest.raises(nfc.clf.TimeoutError):
            driver._recv_data(timeout, "106A")
    assert waits == [LOOK, 2.5], "a wait that is asked for stays"


def test_what_comes_between_two_times_of_listening_is_heard(other: socket.socket) -> None:
    """Else a reader in step with the tag would be asked for its next frame for ever, and not be heard."""
    _, host, port = free_path().split(":")
    frontend = nfc.clf.ContactlessFrontend()
    frontend.device = nfc.clf.udp.Device(host, int(port))
    like_the_air(frontend.device)
    other.settimeout(5.0)
    assert frontend.listen(type_a(0x20), 0.01) is None
    other.sendto(b"106A 26", (host, int(port)))
    assert frontend.listen(type_a(0x20), 0.01) is None
    assert other.recv(99) == b"106A 4400"
    frontend.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as next_one:
        next_one.bind((host, int(port)))
