"""What it shows is tested in tests/e2e/test_demo.py and test_attacks.py; here is what it makes of an attack's end."""

import pytest

from oob.cli import main
from oob.errors import AuthenticationError, LinkError
from oob.progress import Report
from oob.sim.attacks import ATTACKS, Attack
from oob.sim.demo import WISH
from oob.sim.home import Home

DEMO = ["demo", "--carrier", "memory", "--attack", "mitm"]


async def fails_by_itself(home: Home, report: Report) -> None:
    raise LinkError("connection lost", step="link")


async def succeeds(home: Home, report: Report) -> None:
    """Do nothing, and say that it worked."""


async def is_refused_too_late(home: Home, report: Report) -> None:
    link = await home.connect()
    await home.client.pair(link, home.device.offer.out_of_band(), names=(WISH,))
    await link.close()
    raise AuthenticationError("too late", step="page")


@pytest.mark.parametrize(
    ("attack", "code", "said"),
    [
        (fails_by_itself, 3, "Failed  link: connection lost."),
        (succeeds, 1, "THE ATTACK SUCCEEDED."),
        (is_refused_too_late, 1, "THE ATTACK SUCCEEDED."),
    ],
)
def test_only_a_refusal_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], attack: object, code: int, said: str
) -> None:
    monkeypatch.setitem(ATTACKS, "mitm", Attack("a story", attack))  # type: ignore[arg-type]
    assert main(DEMO) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Refused" not in shown
