import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oob.client import nearby, reach
from oob.discovery import NONCE_LENGTH, advertised_tag
from oob.errors import DeviceNotFound, LinkError
from oob.sim.radio import VirtualRadio
from oob.transport.link import Link


@pytest.fixture
async def radio() -> AsyncIterator[VirtualRadio]:
    async with VirtualRadio() as radio:
        yield radio


async def near(radio: VirtualRadio, *, tag_key: bytes | None = None, address: str | None = None) -> Link:
    scanner, backend = radio.scanner_backend, radio.client_backend
    return await reach(tag_key=tag_key, address=address, timeout=1.0, settle=0.1, scanner=scanner, backend=backend)


def tag_of(key: bytes) -> bytes:
    return advertised_tag(key, os.urandom(NONCE_LENGTH))


async def test_the_only_device(radio: VirtualRadio) -> None:
    await radio.peripheral()
    await (await near(radio)).close()


async def test_no_device(radio: VirtualRadio) -> None:
    with pytest.raises(DeviceNotFound, match=r"not seen within 1 s\. Check that it is on"):
        await near(radio)


async def test_never_the_first_of_several(radio: VirtualRadio) -> None:
    devices = [await radio.peripheral() for _ in range(3)]
    with pytest.raises(LinkError, match="several devices offer pairing") as caught:
        await near(radio)
    assert caught.value.exit_code == 3
    assert "Choose one by its address" in caught.value.remedy
    assert all(not each._connections for each in devices)


async def test_one_of_several_by_its_address(radio: VirtualRadio) -> None:
    _, meant, _ = [await radio.peripheral() for _ in range(3)]
    link = await near(radio, address=meant.address.lower())
    assert len(meant._connections) == 1
    await link.close()


async def test_one_of_several_by_its_tag(radio: VirtualRadio) -> None:
    keys = [os.urandom(16) for _ in range(3)]
    devices = [await radio.peripheral(tag=tag_of(key)) for key in keys]
    link = await near(radio, tag_key=keys[1])
    assert [len(each._connections) for each in devices] == [0, 1, 0]
    await link.close()


@pytest.mark.parametrize("meant", [{"tag_key": bytes(16)}, {"address": "C0:00:00:00:00:77"}])
async def test_another_than_the_one_that_is_meant(radio: VirtualRadio, meant: dict[str, object]) -> None:
    await radio.peripheral(tag=tag_of(os.urandom(16)))
    with pytest.raises(DeviceNotFound, match=r"1 other device\(s\) answered"):
        await near(radio, **meant)  # type: ignore[arg-type]


def test_listens_on_for_a_second(tmp_path: Path) -> None:
    assert nearby.SETTLE >= 1
