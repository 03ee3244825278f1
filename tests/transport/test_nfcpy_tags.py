"""Tags by nfcpy, against what stands for its front-end: time goes by with each exchange, and never without."""

from collections.abc import Callable
from itertools import cycle

import nfc.clf
import pytest
from nfc.clf import RemoteTarget

from oob.errors import LinkLost, OobError, PeerError
from oob.framing.iso_dep import Ats
from oob.framing.procedure import TagType
from oob.transport.nfc import COMMAND_WAIT
from oob.transport.nfcpy_tags import Bounded, Connection, activate

STEP = 0.01
"""Seconds that each exchange takes."""
IDM = bytes.fromhex("02FE112233445566")

Said = bytes | Exception | None


class Air:
    """A front-end: answers with what `says` returns for a frame; an exception is raised, None is nothing."""

    def __init__(self, says: Callable[[bytes], Said], *, room: int = 290) -> None:
        self.says = says
        self.now = 0.0
        self.exchanges = 0
        self.waits: list[float] = []
        self.sensed: list[RemoteTarget] = []
        self.max_send_data_size = self.max_recv_data_size = room
        self.device = self
        self.target: RemoteTarget | None = None

    def exchange(self, data: bytearray | None, timeout: float) -> bytearray | None:
        self.now += STEP
        self.exchanges += 1
        self.waits.append(timeout)
        said = self.says(bytes(data or b""))
        if isinstance(said, Exception):
            raise said
        return None if said is None else bytearray(said)

    def sense(self, *targets: RemoteTarget, iterations: int = 1, interval: float = 0.1) -> None:
        self.sensed += targets

    def listen(self, target: object, timeout: float) -> None:
        raise AssertionError

    def open(self, path: str) -> bool:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError

    def connect(self, target: RemoteTarget) -> Connection | None:
        return activate(Bounded(self, lambda: self.now), target)


def type_a(sel_res: int) -> RemoteTarget:
    return RemoteTarget("106A", sens_res=bytearray(2), sdd_res=bytearray(4), sel_res=bytearray((sel_res,)))


def type_f(idm: bytes = IDM) -> RemoteTarget:
    return RemoteTarget("212F", sensf_res=bytearray(b"\x01" + idm + bytes(10)))


def type_b() -> RemoteTarget:
    return RemoteTarget("106B", sensb_res=bytearray.fromhex("50 01020304 00000000 008170"))


def selected(*blocks: Said) -> tuple[Air, Connection]:
    """Select a Type 4A tag that says these blocks, over and over."""
    turn = cycle(blocks)
    air = Air(lambda frame: Ats(256, 4).encode() if frame[0] == 0xE0 else next(turn))
    connection = air.connect(type_a(0x20))
    assert connection is not None
    air.exchanges = 0
    return air, connection


@pytest.mark.parametrize(
    "blocks",
    [
        [b"\xf2\x01"],  # a little more time
        [b"\xf2\x3b"],  # a lot of it
        [b"\x12a", b"\x13a"],  # a response without an end
        [b"\x12", b"\x13"],  # of nothing
        [b"\xa3"],  # say that again
        [b""],
        [nfc.clf.TimeoutError()],
        [nfc.clf.TransmissionError()],
        [b"\xf2\x01", nfc.clf.TimeoutError()],
        [None],
        [nfc.clf.BrokenLinkError()],
    ],
    ids=repr,
)
def test_what_never_ends_does(blocks: list[Said]) -> None:
    air, connection = selected(*blocks)
    for _ in range(2):
        air.exchanges, air.waits = 0, []
        with pytest.raises(LinkLost):
            connection.transceive(b"\x00\xb0\x00\x00\x10")
        assert 0 < air.exchanges <= COMMAND_WAIT / STEP + 1
        assert max(air.waits) <= COMMAND_WAIT


def test_each_command_has_its_own_time() -> None:
    air, connection = selected(*[b"\xf2\x01"] * 50, b"\x02\x90\x00", *[b"\xf2\x01"] * 50, b"\x03\x90\x00")
    for _ in range(10):
        assert connection.transceive(b"\x00\xb0\x00\x00\x10") == b"\x90\x00"
    assert air.exchanges == 10 * 51


@pytest.mark.parametrize("says", [nfc.clf.TimeoutError(), nfc.clf.TransmissionError(), nfc.clf.BrokenLinkError(), None])
@pytest.mark.parametrize("target", [type_a(0x00), type_f()])
def test_a_tag_that_says_nothing_is_lost(target: RemoteTarget, says: Said) -> None:
    air = Air(lambda _: says)
    connection = air.connect(target)
    assert connection is not None
    with pytest.raises(LinkLost):
        connection.transceive(b"\x30\x00")
    assert air.exchanges == 3


@pytest.mark.parametrize(
    "says", [b"", b"\x03", b"\x04\x07", bytes(20), b"\x0a\x07" + bytes(8), nfc.clf.ProtocolError()]
)
def test_a_type_3_tag_that_is_none(says: Said) -> None:
    connection = Air(lambda _: says).connect(type_f())
    assert connection is not None
    with pytest.raises(PeerError):
        connection.transceive(b"\x06\x01\x0b\x00\x01\x80\x00")


def test_a_refusal_of_a_type_2_tag_is_passed_on_and_it_is_waked() -> None:
    air = Air(lambda frame: {b"\x30\x00": bytes(16), b"\xa2": b"\x0a"}.get(frame, b"\x01"))
    connection = air.connect(type_a(0x00))
    assert connection is not None
    assert connection.transceive(b"\x30\x00") == bytes(16)
    assert connection.transceive(b"\xa2") == b"\x0a"
    assert not air.sensed
    assert connection.transceive(b"\x60") == b"\x01"
    assert [target.sel_req for target in air.sensed] == [bytes(4)], "this tag, and no other"


def test_a_type_4b_tag() -> None:
    air = Air(lambda frame: b"\x00" if frame[0] == 0x1D else b"\x02" + frame[1:])
    connection = air.connect(type_b())
    assert connection is not None
    assert connection.type is TagType.TYPE_4
    assert connection.transceive(b"\x00\xa4") == b"\x00\xa4"


@pytest.mark.parametrize(("room", "fsdi"), [(290, 8), (254, 8), (253, 7)])
def test_the_frames_are_those_that_the_reader_takes(room: int, fsdi: int) -> None:
    frames: list[bytes] = []

    def says(frame: bytes) -> bytes:
        frames.append(frame)
        return Ats(256, 4).encode() if frame[0] == 0xE0 else bytes((0xA2 | frame[0] & 1,))

    connection = Air(says, room=room).connect(type_a(0x20))
    assert connection is not None
    with pytest.raises(OobError):
        connection.transceive(bytes(600))
    assert frames[0] == bytes((0xE0, fsdi << 4))
    assert len(frames[1]) == min(room, 254)


@pytest.mark.parametrize(
    "target",
    [
        type_a(0x40),  # NFC-DEP
        type_f(b"\x01\xfe" + bytes(6)),  # NFC-DEP
        RemoteTarget("106A", sens_res=bytearray(2), rid_res=bytearray(6)),  # type 1
    ],
)
def test_what_is_no_tag_of_ours(target: RemoteTarget) -> None:
    assert Air(lambda _: None).connect(target) is None
