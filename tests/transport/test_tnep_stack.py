"""The emulated tag, from the reader's side: what a tap shows."""

import asyncio

from oob.framing.ndef import Record, Tnf
from oob.sim.field import Field
from oob.transport.tnep_poller import tap
from oob.transport.tnep_stack import SERVICE, nfc_listener


async def test_each_tap_is_greeted_anew() -> None:
    greetings = iter([Record(Tnf.WELL_KNOWN, b"U", b"\x04a"), Record(Tnf.WELL_KNOWN, b"U", b"\x04b")])
    field = Field()
    listener = nfc_listener(field, lambda: [next(greetings)])
    await listener.start()
    await listener.advertise(b"")
    await asyncio.sleep(0)
    for url in (b"\x04a", b"\x04b"):
        tapped = await tap(field, 5)
        assert [each.payload for each in tapped.records] == [url, SERVICE.to_record().payload]
        await tapped.close()
    await listener.close()
