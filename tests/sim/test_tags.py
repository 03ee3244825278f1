"""Simulated chips behave as their data sheets say, where the tests of the memories rest on it."""

import pytest

from oob.errors import LinkLost
from oob.sim.tags import SimulatedFelica, SimulatedNtag, SimulatedType4, simulated_chip

ACK, NAK = b"\x0a", b"\x00"


@pytest.mark.parametrize(
    ("name", "container", "pages", "storage"),
    [("NTAG213", "e1101200", 45, 0x0F), ("NTAG215", "e1103e00", 135, 0x11), ("NTAG216", "e1106d00", 231, 0x13)],
)
def test_an_ntag_as_it_is_delivered(name: str, container: str, pages: int, storage: int) -> None:
    chip = simulated_chip(name)
    assert chip.process(b"\x30\x00")[12:] == bytes.fromhex(container)
    assert chip.process(b"\x60") == bytes((0, 4, 4, 2, 1, 0, storage, 3))
    assert chip.process(bytes((0x30, pages))) == NAK
    last = chip.process(bytes((0x30, pages - 1)))
    assert last[4:] == chip.process(b"\x30\x00")[:12]  # it goes on at page 0
    assert chip.commands == 5


@pytest.mark.parametrize("command", ["", "30", "300000", "a204", "a20400", "a2040000000000", "a20100000000", "ff"])
def test_an_ntag_refuses_what_it_does_not_know(command: str) -> None:
    assert SimulatedNtag().process(bytes.fromhex(command)) == NAK


def test_lock_bits_and_the_container_only_grow() -> None:
    chip = SimulatedNtag()
    for page in (2, 3, 0x28):
        assert chip.process(bytes((0xA2, page)) + b"\x00\x00\x10\x00") == ACK
        assert chip.process(bytes((0xA2, page)) + b"\x00\x00\x00\x00") == ACK
    assert [chip.page(page)[2] for page in (2, 3, 0x28)] == [0x10, 0x12, 0x10]
    assert chip.page(2)[:2] == SimulatedNtag().page(2)[:2]
    assert chip.page(0x28)[3] == 0xBD


def test_each_lock_bit_has_its_pages() -> None:
    chip = SimulatedNtag()
    chip.process(b"\xa2\x02\x00\x00\x10\x80")
    chip.process(b"\xa2\x28\x01\x08\x00\x00")
    locked = [page for page in range(3, 40) if chip.process(bytes((0xA2, page)) + b"\xff\xff\xff\xff") == NAK]
    assert locked == [4, 15, 16, 17, 38, 39]
    assert chip.writes == 2 + 37 - 6


def test_block_locks_freeze_lock_bits() -> None:
    chip = SimulatedNtag()
    chip.process(b"\xa2\x02\x00\x00\x02\x00")
    chip.process(b"\xa2\x02\x00\x00\xf8\xff")
    assert chip.page(2)[2:] == bytes((0x0A, 0xFC))  # pages 4 to 9 stay unlocked


def test_a_felica_lite_s() -> None:
    chip = SimulatedFelica()
    assert chip.process(bytes.fromhex("06010b0002 8083 8088"))[:3] == b"\x00\x00\x02"
    assert chip.process(bytes.fromhex("06010b0001 8070")) == b"\xff\xa8"
    assert chip.process(bytes.fromhex("06010b0005 80008001800280038004")) == b"\xff\xa1"
    assert chip.process(bytes.fromhex("0801090001 8083") + bytes(16)) == b"\xff\xa8"
    assert chip.process(bytes.fromhex("0801090001 8088 fdff00") + bytes(13)) == b"\x00\x00"
    assert chip.process(bytes.fromhex("0801090001 8001") + bytes(16)) == b"\xff\xa8"
    assert chip.process(bytes.fromhex("0801090001 8002") + bytes(16)) == b"\x00\x00"
    assert chip.process(bytes.fromhex("0801090001 8088") + bytes(16)) == b"\xff\xa8"
    assert (chip.commands, chip.writes) == (8, 2)


def test_a_type_4_tag() -> None:
    chip = SimulatedType4()
    chip.activate()
    assert chip.process(bytes.fromhex("00a4040007d276000085010100")) == b"\x90\x00"
    assert chip.process(bytes.fromhex("00a4000c02e104")) == b"\x90\x00"
    assert chip.process(bytes.fromhex("00d60000020000")) == b"\x90\x00"
    assert (chip.commands, chip.writes) == (3, 1)
    chip.deactivate()


@pytest.mark.parametrize("name", ["NTAG213", "FeliCa Lite-S", "Type 4"])
def test_a_chip_that_leaves_the_field(name: str) -> None:
    chip = simulated_chip(name)
    chip.torn_after = 2
    chip.process(b"\x30\x00")
    chip.process(b"\x30\x00")
    for _ in range(2):
        with pytest.raises(LinkLost):
            chip.process(b"\x30\x00")
    assert chip.commands == 2
    chip.torn_after = None
    chip.process(b"\x30\x00")
