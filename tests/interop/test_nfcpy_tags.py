"""nfcpy's own view of Type 2 and Type 3 tags agrees with this library's, on simulated chips."""

from types import SimpleNamespace
from typing import Any

import pytest
from nfc.tag.tt2 import Type2Tag
from nfc.tag.tt2_nxp import NTAG213, NTAG215, NTAG216
from nfc.tag.tt3_sony import FelicaLiteS

from oob.framing.procedure import TagType
from oob.sim.tags import SimulatedChip, SimulatedFelica, SimulatedNtag, simulated_chip
from tests.framing.driving import lock, opened, read, write

PRODUCTS: dict[str, Any] = {"NTAG213": NTAG213, "NTAG215": NTAG215, "NTAG216": NTAG216, "FeliCa Lite-S": FelicaLiteS}
each_chip = pytest.mark.parametrize("name", PRODUCTS)


class Field:
    """What nfcpy's tags take for a front-end: the chip's answers, in the frames of the air."""

    def __init__(self, chip: SimulatedChip) -> None:
        self.chip = chip

    def exchange(self, frame: bytes, timeout: float) -> bytearray:
        if self.chip.type is TagType.TYPE_2:
            return bytearray(self.chip.process(bytes(frame)))
        said = bytes((frame[1] + 1,)) + SimulatedFelica.idm + self.chip.process(bytes(frame[1:2] + frame[10:]))
        return bytearray((len(said) + 1,)) + said

    def sense(self, target: Any) -> Any:
        return target


def seen_by_nfcpy(chip: SimulatedChip) -> Any:
    """Return nfcpy's object for the tag, as somebody sees it who comes anew."""
    if isinstance(chip, SimulatedNtag):
        target = SimpleNamespace(sdd_res=bytearray(chip.uid), sel_req=bytearray(chip.uid))
        return PRODUCTS[chip.name](Field(chip), target)
    felica = SimulatedFelica
    target = SimpleNamespace(sensf_res=bytearray(b"\x01" + felica.idm + felica.pmm + b"\x12\xfc"))
    return FelicaLiteS(Field(chip), target)


@each_chip
@pytest.mark.parametrize("share", [0, 1, 50, 254, 255, 256, 1000])
def test_each_reads_what_the_other_writes(name: str, share: int) -> None:
    chip = simulated_chip(name)
    ndef = seen_by_nfcpy(chip).ndef
    assert (ndef.capacity, ndef.is_writeable) == (opened(chip).capacity, True)
    ours = bytes(i % 250 + 1 for i in range(min(share, ndef.capacity)))
    write(chip, ours)
    assert seen_by_nfcpy(chip).ndef.octets == ours
    theirs = ours[::-1] or b"\xd0\x00\x00"
    seen_by_nfcpy(chip).ndef.octets = theirs
    assert read(chip) == theirs


@each_chip
def test_what_is_locked_here_is_locked_there(name: str) -> None:
    chip = simulated_chip(name)
    write(chip, b"\xd0\x00\x00")
    lock(chip)
    ndef = seen_by_nfcpy(chip).ndef
    assert (ndef.octets, ndef.is_writeable) == (b"\xd0\x00\x00", False)


@each_chip
def test_what_is_locked_there_is_locked_here(name: str) -> None:
    chip = simulated_chip(name)
    write(chip, b"\xd0\x00\x00")
    assert seen_by_nfcpy(chip).protect()
    assert (read(chip), opened(chip).is_writable) == (b"\xd0\x00\x00", False)


@pytest.mark.parametrize(
    "controls", ["0203250504", "0103252004", "0203530203 fd0155", "00 00 0103a00c34", "fd0155 0203250504 0203600804"]
)
def test_reserved_bytes_are_where_nfcpy_sees_them(controls: str) -> None:
    chip = SimulatedNtag("NTAG215")
    first = bytes.fromhex(controls) + b"\x03\x00\xfe"
    chip.memory[16 : 16 + len(first)] = first
    target = SimpleNamespace(sdd_res=bytearray(chip.uid), sel_req=bytearray(chip.uid))
    assert Type2Tag(Field(chip), target).ndef.capacity == opened(chip).capacity
    write(chip, bytes(range(200)))
    assert Type2Tag(Field(chip), target).ndef.octets == bytes(range(200))
