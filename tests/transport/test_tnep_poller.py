"""A link through a tag, from the client's side: taps that break off, tags that have nothing yet, other tags."""

import asyncio

import pytest

from oob.errors import DeviceNotFound, LinkError, UsageError
from oob.framing.gatt import MessageType
from oob.framing.ndef import Record, Tnf
from oob.framing.type4_card import StoredNdef, Type4Card
from oob.sim.field import Field
from oob.transport.carrier import beside
from oob.transport.link import FramedLink
from oob.transport.peripheral import Peripheral
from oob.transport.tnep_poller import connect, tap
from oob.transport.tnep_stack import nfc_listener

HANDSHAKE = MessageType.HANDSHAKE
URL = Record(Tnf.WELL_KNOWN, b"U", b"\x04maker.example/d/1")


async def offered(field: Field) -> Peripheral:
    listener = nfc_listener(field, lambda: [URL])
    await listener.start()
    await listener.advertise(b"")
    await asyncio.sleep(0)
    return listener


async def linked(field: Field) -> FramedLink:
    return await connect(await tap(field, 5))


async def test_messages_of_every_size_go_to_and_fro() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    assert await device.receive(5) == (HANDSHAKE, b"q")
    await device.send(HANDSHAKE, b"a")
    assert await client.receive(5) == (HANDSHAKE, b"a")
    for size in (100, 508, 509, 1000, 4096):
        await client.send(HANDSHAKE, b"q" * size)
        assert await device.receive(5) == (HANDSHAKE, b"q" * size)
        await device.send(HANDSHAKE, b"a" * size)
        assert await client.receive(5) == (HANDSHAKE, b"a" * size)
    assert client.carrier == device.carrier == "nfc"
    await client.close()
    await listener.close()


async def test_what_is_tapped_is_read_before_anything_goes_through_it() -> None:
    field = Field()
    listener = await offered(field)
    tapped = await tap(field, 5)
    assert tapped.records[0] == URL
    assert tapped.service is not None
    await tapped.close()
    await listener.close()


@pytest.mark.parametrize("loses_response", [False, True])
async def test_a_tap_that_breaks_off_goes_on_with_the_next(loses_response: bool) -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    field.torn_after, field.loses_response = 6, loses_response
    await client.send(HANDSHAKE, b"q" * 700)
    device = await listener.accept()
    answering = asyncio.create_task(device.receive(5))
    receiving = asyncio.create_task(client.receive(5))
    assert await answering == (HANDSHAKE, b"q" * 700)
    await device.send(HANDSHAKE, b"a" * 700)
    assert await receiving == (HANDSHAKE, b"a" * 700)
    await client.close()
    await listener.close()


async def test_no_tag_and_another_tag() -> None:
    field = Field()
    with pytest.raises(DeviceNotFound, match="no tag came"):
        await tap(field, 0.01)
    async with beside(field.emulate(Type4Card(StoredNdef()))):
        tapped = await tap(field, 5)
        assert (tapped.records, tapped.service) == ((), None)
        with pytest.raises(UsageError, match="only tells how to pair"):
            await connect(tapped)
        await tapped.close()


async def test_after_the_end_nothing_is_sent() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    await device.receive(5)
    await client.close()
    await client.close()
    with pytest.raises(LinkError):
        await client.send(HANDSHAKE, b"q")
    with pytest.raises(LinkError, match="hung up"):
        await device.receive(5)
    await listener.close()


async def test_a_device_that_hangs_up_is_not_waited_for() -> None:
    field = Field()
    listener = await offered(field)
    client = await linked(field)
    await client.send(HANDSHAKE, b"q")
    device = await listener.accept()
    await device.receive(5)
    await device.send(HANDSHAKE, b"a")
    await client.receive(5)
    await client.send(HANDSHAKE, b"q")
    await device.receive(5)
    await device.close()
    with pytest.raises(LinkError, match="has ended the exchange"):
        await client.receive(5)
    await client.close()
    await listener.close()
