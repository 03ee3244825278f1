"""A connection that a simulated adapter opened, and the GATT operations on it."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from bumble.att import ATT_Error
from bumble.core import BaseBumbleError, InvalidStateError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import ServiceProxy
from bumble.hci import Address

from oob.sim.bluez.errors import NOT_CONNECTED, BluezError, failed, from_att
from oob.sim.operations import Operations

T = TypeVar("T")

PREFERRED_MTU: Final = 517
"""The ATT MTU that BlueZ asks for by default, in bytes (`ExchangeMTU` in its main.conf)."""


class Radio(Protocol):
    """What an adapter needs of a simulated radio."""

    def fresh_address(self) -> str:
        """Return an address that nobody on this radio has."""
        ...

    async def stack(self, address: str) -> Device:
        """Switch on a simulated stack with this address."""
        ...

    async def central(self, on_advertisement: Callable[[Advertisement], None] | None = None) -> Device:
        """Switch on a simulated stack that scans."""
        ...

    async def connect(self, central: Device, address: Address) -> Connection:
        """Connect a stack to the device at `address`, however long that takes."""
        ...

    async def retire(self, device: Device) -> None:
        """Switch a simulated stack off."""
        ...


class Link:
    """One connection of an adapter to a device, by a stack of its own. `on_end` is called once, when it is lost."""

    def __init__(self, radio: Radio, on_end: Callable[[], None]) -> None:
        self._radio = radio
        self._on_end = on_end
        self._stack: Device | None = None
        self._connection: Connection | None = None
        self._operations = Operations(lambda: failed(NOT_CONNECTED))

    @property
    def mtu(self) -> int:
        """The ATT MTU agreed on, in bytes."""
        return int(self._connection.att_mtu) if self._connection is not None else 23

    async def open(self, own: str, peer: Address) -> None:
        """Connect as `own` to `peer`, however long that takes. Close the link also after a failure."""
        self._stack = await self._radio.stack(own)
        connection = await self._radio.connect(self._stack, peer)
        connection.once(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._connection = connection

    async def discover(self) -> list[ServiceProxy]:
        """Agree on the MTU, and find all services with what is in them."""
        assert self._connection is not None  # noqa: S101  after `open`
        return await self.run(_discover(Peer(self._connection)))

    async def run(self, operation: Coroutine[Any, Any, T]) -> T:
        """Run a GATT operation. Raises BluezError."""
        try:
            return await self._operations.run(operation)
        except ATT_Error as error:
            raise from_att(error.error_code) from error
        except (BaseBumbleError, InvalidStateError) as error:
            raise BluezError("Failed", str(error)) from error

    async def close(self) -> None:
        """End the connection and switch its stack off."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await self._radio.retire(stack)
        await self._operations.close()

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        self._operations.end()
        self._on_end()


async def _discover(peer: Peer) -> list[ServiceProxy]:
    await peer.request_mtu(PREFERRED_MTU)
    services: list[ServiceProxy] = await peer.discover_services()
    for service in services:
        await service.discover_characteristics()
        for characteristic in service.characteristics:
            await characteristic.discover_descriptors()
    return services
