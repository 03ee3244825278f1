from pathlib import Path

import pytest

from oob.errors import OobError
from oob.pairing import Bootstrap, Model, Passcode
from oob.progress import Progress
from oob.sim.attacks import ATTACKS, _wrong
from oob.sim.demo import Stopwatch, run
from oob.sim.home import home


def test_a_wrong_code_is_well_formed_and_wrong() -> None:
    for number in (0, 1234567, 9999999):
        code = Passcode.from_number(number)
        wrong = _wrong(code)
        assert isinstance(wrong, Passcode)
        assert wrong != code
    label = Bootstrap(version=1, models=(Model.SECRET,), cred_r_hash=bytes(32), secret=bytes(16), name="")
    assert _wrong(label) != label


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_owner_can_pair_after_an_attack(tmp_path: Path, name: str) -> None:
    watch, told = Stopwatch(), list[Progress]()
    async with home(tmp_path, carrier="memory", report=watch) as running:
        with pytest.raises(OobError):
            await ATTACKS[name].run(running, told.append)
        result = await run(running, watch)
        assert result["peer_key_verified"] is True
        assert (await running.issuer.store.audit()).bindings == 1
    assert ATTACKS[name].story
