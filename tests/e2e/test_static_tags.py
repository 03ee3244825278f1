"""`oob tag` with genuine nfcpy as the reader, over its simulated air: tags of each type, and one that goes away."""

import io
import json
import sys
from collections.abc import Callable

import pytest
from nfc.clf import LocalTarget

from oob.cli import main
from oob.errors import LinkLost
from oob.pairing import Bootstrap, Model
from oob.pairing.tag_content import TagContent
from oob.sim.tags import SimulatedChip, SimulatedFelica, SimulatedNtag
from tests.framing import driving
from tests.transport.udp_field import Answer, as_type_3, free_path, tag_at, type_a, type_f

URL = "https://example.com/d/7Q4M2K9X"
BOOTSTRAP = Bootstrap(1, (Model.SECRET,), bytes(range(32)), secret=bytes(range(100, 116)), tag_key=bytes(16))


def type_2(chip: SimulatedChip) -> tuple[LocalTarget, Answer]:
    def answer(frame: bytes) -> bytes | None:
        try:
            return chip.process(frame)
        except LinkLost:
            return None  # out of the field it is silent

    return type_a(0x00), answer


def type_3(chip: SimulatedChip) -> tuple[LocalTarget, Answer]:
    assert isinstance(chip, SimulatedFelica)
    return type_f(), as_type_3(chip)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, object]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(BOOTSTRAP.to_text()))
    code = main(["tag", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("make", "held"), [(SimulatedNtag, type_2), (SimulatedFelica, type_3)])
def test_write_read_and_lock(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[], SimulatedChip],
    held: Callable[[SimulatedChip], tuple[LocalTarget, Answer]],
) -> None:
    chip, path = make(), free_path()
    with tag_at(path, *held(chip)):
        code, told = run(monkeypatch, capsys, "write", "--url", URL, "--lock", "--reader", path)
        assert (code, told["used"], told["writable"]) == (0, 120, False)  # type: ignore[index]
        code, told = run(monkeypatch, capsys, "read", "--reader", path)
        assert (code, told["url"], told["models"]) == (0, URL, ["secret"])  # type: ignore[index]
        code, told = run(monkeypatch, capsys, "write", "--reader", path)
        assert (code, told["error"]["cause"]) == (2, "the tag is read-only")  # type: ignore[index]
    assert TagContent.decode(driving.read(chip)) == TagContent(URL, BOOTSTRAP)


def test_a_tag_that_goes_away_and_comes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chip, path = SimulatedNtag(), free_path()
    driving.write(chip, TagContent(URL, BOOTSTRAP).encode())
    chip.torn_after = 30
    with tag_at(path, *type_2(chip)):
        code, told = run(monkeypatch, capsys, "write", "--reader", path)
        assert (code, told["error"]["kind"]) == (3, "LinkLost")  # type: ignore[index]
        assert "do it again" in told["error"]["remedy"]  # type: ignore[index]
        chip.torn_after = None
        assert driving.read(chip) == b""
        assert run(monkeypatch, capsys, "write", "--reader", path)[0] == 0
    assert TagContent.decode(driving.read(chip)).bootstrap == BOOTSTRAP
