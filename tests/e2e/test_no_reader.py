"""What a person is told, by each program that needs a reader, where there is none that it can use."""

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest

from oob.framing.type4_card import StoredNdef, Type4Card
from oob.issuance import Authority
from oob.transport.pcsc_reader import PcscReader
from tests.e2e.family import PATIENCE
from tests.e2e.house import Told, told
from tests.e2e.stage import NETWORK, ZONE
from tests.transport.pcsc_bed import Bed, in_bed
from tests.transport.udp_field import free_path
from tests.transport.virtual_card import VirtualCard

PAIR = ("pair", "--nfc", "--issuer", "https://127.0.0.1:1/directory", "--root", "ca/root.pem", "--timeout", "1")
READ = ("tag", "read", "--timeout", "1")
RUN = ("device", "run", "--nfc", "--state", "d")
CLIENTS = pytest.mark.parametrize("command", [PAIR, READ], ids=["pair", "tag read"])
ALL = pytest.mark.parametrize("command", [PAIR, READ, RUN], ids=["pair", "tag read", "device run"])
NO_NFCPY = "import sys; sys.modules['nfc'] = None"
NO_PYSCARD = "import sys; sys.modules['smartcard'] = None"
NO_PERMISSION = """\
import errno, socket

def bind(*_):
    raise PermissionError(errno.EACCES, "Permission denied")

socket.socket = type("socket", (socket.socket,), {"bind": bind})
"""


def run(directory: Path, *command: str, before: str = "") -> Told:
    Authority.create(directory / "ca", dns_zones=[ZONE], ip_networks=[NETWORK], now=1.7e9)
    return told(*command, temporary=directory, before=before)


@ALL
def test_without_nfcpy(tmp_path: Path, command: tuple[str, ...]) -> None:
    outcome = run(tmp_path, *command, "--reader", "usb", before=NO_NFCPY)
    assert outcome.code == 2
    assert "pip install 'oob[nfc]'" in outcome.error


@CLIENTS
def test_without_pyscard(tmp_path: Path, command: tuple[str, ...]) -> None:
    outcome = run(tmp_path, *command, "--reader", "pcsc", before=NO_PYSCARD)
    assert outcome.code == 2
    assert "pip install 'oob[pcsc]'" in outcome.error


def test_a_reader_of_pc_sc_for_the_device(tmp_path: Path) -> None:
    outcome = run(tmp_path, *RUN, "--reader", "pcsc")
    assert outcome.code == 2
    assert outcome.error == "UsageError: PC/SC cannot be a tag. Use a reader that nfcpy drives: usb"


@ALL
def test_a_reader_that_is_not_plugged_in(tmp_path: Path, command: tuple[str, ...]) -> None:
    outcome = run(tmp_path, *command, "--reader", "tty:NONE:pn532")
    assert outcome.code == 3
    assert outcome.error == "ReaderAbsent: tty:NONE:pn532: not there. Plug it in; oob doctor names what is there"


def test_a_reader_that_another_program_has(tmp_path: Path) -> None:
    path = free_path()
    _, host, port = path.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((host, int(port)))
        outcome = run(tmp_path, *RUN, "--reader", path)
    assert outcome.code == 3
    assert outcome.error == f"LinkError: {path} is in use. End the program that uses it"


def test_a_reader_that_this_user_may_not_use(tmp_path: Path) -> None:
    outcome = run(tmp_path, *RUN, "--reader", free_path(), before=NO_PERMISSION)
    assert outcome.code == 3
    assert "Permission denied" in outcome.error


@in_bed
async def test_without_pcscd(bed: Bed) -> None:
    bed.stop()
    for number, command in enumerate((PAIR, READ)):
        outcome: Told = await asyncio.to_thread(partial(run, bed.directory / str(number), *command, "--reader", "pcsc"))
        assert outcome.code == 3
        assert "the PC/SC service does not run. Start it" in outcome.error


@in_bed
async def test_a_tag_that_another_program_has(bed: Bed) -> None:
    reader = PcscReader()
    async with VirtualCard(Type4Card(StoredNdef())):
        await reader.tap(PATIENCE)
        for number, command in enumerate((PAIR, READ)):
            directory = bed.directory / str(number)
            outcome: Told = await asyncio.to_thread(partial(run, directory, *command, "--reader", "pcsc"))
            assert outcome.code == 3
            assert "LinkBusy: another program uses the tag. End what else reads smart cards" in outcome.error
        await reader.close()
