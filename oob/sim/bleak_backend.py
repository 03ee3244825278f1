"""Simulated bleak backends: the genuine bleak API over a virtual radio, so that client code runs unmodified.

Each bleak object is a central of its own, as if it ran on its own phone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, Protocol, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError, InvalidStateError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy, Client
from bumble.hci import Address

from oob.sim.operations import Operations
from oob.sim.uuids import text_of

T = TypeVar("T")

CENTRAL_MTU: Final = 517
"""The ATT MTU that the simulated central asks for, in bytes."""


class Radio(Protocol):
    """What the backends need of a simulated radio."""

    async def central(self, on_advertisement: Callable[[Advertisement], None] | None = None) -> Device:
        """Switch on a simulated phone, which scans if it is told what for."""
        ...

    async def connect(self, central: Device, address: Address) -> Connection:
        """Connect a simulated phone to the device at `address`, however long that takes."""
        ...

    async def retire(self, device: Device) -> None:
        """Switch a simulated phone off."""
        ...


@asynccontextmanager
async def _renamed() -> AsyncIterator[None]:
    """Rename bumble's exceptions to bleak's. Bumble reports a lost connection by a cancellation nobody asked for."""
    try:
        yield
    except ATT_Error as error:
        raise BleakGATTProtocolError(error.error_code) from error
    except (BaseBumbleError, InvalidStateError) as error:
        raise BleakError(str(error)) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BleakError("disconnected") from None


class SimulatedScanner(BaseBleakScanner):
    """A simulated bleak scanner. Subclassed by each radio, which sets `radio`."""

    radio: ClassVar[Radio]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        *_: object,
        **__: object,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._device: Device | None = None

    async def start(self) -> None:
        """Listen for simulated advertisements."""
        self.seen_devices = {}
        self._device = await self.radio.central(self._on_advertisement)

    async def stop(self) -> None:
        """Stop listening."""
        device, self._device = self._device, None
        if device is not None:
            await self.radio.retire(device)

    def _on_advertisement(self, seen: Advertisement) -> None:
        if seen.is_scan_response:
            return  # bumble makes one up, of the advertisement's own data
        data = advertisement_data(seen)
        address = seen.address.to_string(with_type_qualifier=False)
        device = self.create_or_update_device(address, address, data.local_name, seen.address, data)
        if self.is_allowed_uuid(data.service_uuids):
            self.call_detection_callbacks(device, data)


def advertisement_data(seen: Advertisement) -> AdvertisementData:
    """Return what bleak makes of a simulated advertisement."""
    found: AdvertisingData = seen.data
    kind = AdvertisingData.Type
    lists = found.get_all(kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
    manufacturers = found.get_all(kind.MANUFACTURER_SPECIFIC_DATA)
    return AdvertisementData(
        local_name=found.get(kind.COMPLETE_LOCAL_NAME),
        manufacturer_data={company: bytes(data) for company, data in manufacturers},
        service_data={},
        service_uuids=[text_of(uuid) for listed in lists for uuid in listed],
        tx_power=None,
        rssi=seen.rssi,
        platform_data=(),
    )


class SimulatedClient(BaseBleakClient):
    """A simulated bleak client. Subclassed by each radio, which sets `radio`."""

    radio: ClassVar[Radio]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        services: set[str] | None = None,
        **_: object,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self._wanted = services
        self._device: Device | None = None
        self._connection: Connection | None = None
        self._operations: Operations | None = None  # those of the newest connection

    @property
    def name(self) -> str:
        """The address: simulated devices have no name."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """The negotiated ATT MTU in bytes."""
        return int(self._connection.att_mtu) if self._connection is not None else 23

    @property
    def is_connected(self) -> bool:
        """Whether the simulated connection stands."""
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: object) -> None:
        """Connect, agree on the MTU and discover. Raises BleakDeviceNotFoundError after the timeout."""
        self._device = await self.radio.central()
        self._operations = Operations(lambda: BleakError("disconnected"))
        try:
            async with asyncio.timeout(self._timeout), _renamed():
                connection = await self.radio.connect(self._device, Address(self.address))
                connection.once(Connection.EVENT_DISCONNECTION, self._on_disconnection)
                self._connection = connection
                self.services = await self._operations.run(self._discover(Peer(connection)))
        except TimeoutError:
            await self.disconnect()
            raise BleakDeviceNotFoundError(self.address, f"{self.address} was not found") from None
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """End the connection and retire the simulated central."""
        self._disconnected_callback = None  # it reports unsolicited ends only
        device, self._device = self._device, None
        if device is not None:
            await self.radio.retire(device)
        if self._operations is not None:
            await self._operations.close()

    async def pair(self, *args: object, **kwargs: object) -> None:
        """Refused: the profile needs no pairing by the operating system."""
        raise BleakError("the simulated radio does not pair")

    async def unpair(self) -> None:
        """Refused: see `pair`."""
        raise BleakError("the simulated radio does not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: object
    ) -> bytearray:
        """Read a simulated characteristic."""
        async with _renamed():
            return bytearray(await self._run(self._gatt().read_value(characteristic.obj)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: object
    ) -> bytearray:
        """Read a simulated descriptor."""
        async with _renamed():
            return bytearray(await self._run(self._gatt().read_value(descriptor.obj)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """Write a simulated characteristic: a request with `response`, else a command."""
        async with _renamed():
            await self._run(self._gatt().write_value(characteristic.obj, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """Write a simulated descriptor."""
        async with _renamed():
            await self._run(self._gatt().write_value(descriptor.obj, bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: object
    ) -> None:
        """Subscribe to a simulated characteristic."""
        async with _renamed():
            await self._run(self._gatt().subscribe(characteristic.obj, lambda value: callback(bytearray(value))))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe from a simulated characteristic."""
        async with _renamed():
            await self._run(self._gatt().unsubscribe(characteristic.obj))

    def _gatt(self) -> Client:
        if self._connection is None:
            raise BleakError("disconnected")
        return self._connection.gatt_client

    async def _run(self, operation: Coroutine[Any, Any, T]) -> T:
        assert self._operations is not None  # noqa: S101  since `_gatt` was asked for the operation
        return await self._operations.run(operation)

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        if self._operations is not None:
            self._operations.end()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        await peer.request_mtu(CENTRAL_MTU)
        wanted = None if self._wanted is None else [UUID(uuid) for uuid in self._wanted]
        found = await peer.discover_services(wanted or [])
        services = BleakGATTServiceCollection()
        for service in found:
            await service.discover_characteristics()
            services.add_service(known := BleakGATTService(service, service.handle, text_of(service.uuid)))
            for characteristic in service.characteristics:
                await self._add_characteristic(services, known, characteristic)
        return services

    async def _add_characteristic(
        self, services: BleakGATTServiceCollection, service: BleakGATTService, proxy: CharacteristicProxy[Any]
    ) -> None:
        known = BleakGATTCharacteristic(
            proxy,
            proxy.handle,
            text_of(proxy.uuid),
            list(gatt_char_props_to_strs(int(proxy.properties))),
            lambda: self.mtu_size - 3,
            service,
        )
        services.add_characteristic(known)
        descriptors = await proxy.discover_descriptors()
        proxy.descriptors_discovered = True  # bumble never notes that, and would ask again at each subscription
        for descriptor in descriptors:
            services.add_descriptor(BleakGATTDescriptor(descriptor, descriptor.handle, text_of(descriptor.type), known))
