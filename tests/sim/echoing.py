"""A simulated device that returns each message reversed."""

from oob.errors import LinkError
from oob.sim.radio import SimulatedPeripheral


async def echo(device: SimulatedPeripheral) -> None:
    """Serve one client after the other, until the device is switched off."""
    while True:
        try:
            link = await device.accept()
        except LinkError:
            return
        try:
            while True:
                kind, message = await link.receive(5)
                await link.send(kind, message[::-1])
        except LinkError:
            await link.close()
