"""On real radios, by the programs that users run. None of these has been run yet: no radio was at hand.

.venv/bin/python -m pytest tests/hardware -m hardware --bench hardware/bench.toml
"""

import json
import os
from pathlib import Path

import pytest

from oob.client import parse_out_of_band
from oob.discovery import matches
from oob.pairing import Bootstrap
from tests.hardware.bench import Bench, Unfit, device, examine, load, oob, pair

pytestmark = pytest.mark.hardware


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return the bench, with all its adapters looked at; the test fails where it is not fit."""
    bench = _bench(request.config.getoption("--bench") or os.environ.get("OOB_BENCH", ""))
    if isinstance(bench, Unfit):
        pytest.fail(str(bench), pytrace=False)
    return bench


def _bench(path: str) -> Bench | Unfit:
    try:
        bench = load(path)
        for adapter in filter(None, (bench.central, bench.device)):
            examine(adapter)
    except Unfit as reason:
        return reason
    return bench


@pytest.fixture
def pair_of_adapters(bench: Bench) -> Bench:
    """Return a bench with an adapter for the device, too."""
    if not bench.device:
        pytest.fail("this test needs an adapter for the device, too: [device] adapter in the profile", pytrace=False)
    return bench


def on_air(adapter: str) -> list[str]:
    return ["--ble", "--adapter", adapter]


def sightings(bench: Bench, seconds: float) -> list[tuple[str, bytes]]:
    """Listen, and return each (address, tag) that the client's adapter heard."""
    heard = oob("discover", "--adapter", bench.central, "--timeout", seconds, "--json", wait=seconds + 60)
    assert heard.returncode == 0, heard.stdout + heard.stderr
    seen = [json.loads(line) for line in heard.stdout.splitlines()]
    return [(each["address"], bytes.fromhex(each["tag"])) for each in seen]


def test_an_advertising_device_is_seen(bench: Bench, tmp_path: Path) -> None:
    if not bench.device:  # one elsewhere: any will do
        assert any(len(tag) == 6 for _, tag in sightings(bench, 20))
        return
    with device(tmp_path, on_air(bench.device), "--model", "secret") as (_, text):
        assert ours(text, sightings(bench, 20))


def test_three_pairings_in_a_row(pair_of_adapters: Bench, tmp_path: Path) -> None:
    central = ["--adapter", pair_of_adapters.central]
    results = pair(tmp_path, on_air(pair_of_adapters.device), central, rounds=3)
    assert [each["reachable"] for each in results] == [True] * 3
    assert len({each["device"] for each in results}) == 1


def test_tag_and_address_change(pair_of_adapters: Bench, tmp_path: Path) -> None:
    """The address changes only with Privacy = device in BlueZ's main.conf (hardware/main.conf)."""
    with device(tmp_path, on_air(pair_of_adapters.device), "--model", "secret") as (_, text):
        heard = ours(text, sightings(pair_of_adapters, pair_of_adapters.rotation))
    assert len({tag for _, tag in heard}) >= 2, f"one tag in {pair_of_adapters.rotation:g} s"
    assert len({address for address, _ in heard}) >= 2, f"one address in {pair_of_adapters.rotation:g} s"


def ours(text: str, heard: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Keep what the device of this QR code sent: others may be in range."""
    bootstrap = parse_out_of_band(text)
    assert isinstance(bootstrap, Bootstrap)
    key = bootstrap.tag_key
    assert key is not None
    return [(address, tag) for address, tag in heard if matches(key, tag)]
