"""A device over Bluetooth LE on Linux: the GATT peripheral of the library on BlueZ 5.48 or newer.

What BlueZ tells is not what the Bluetooth Core says, and the rules here follow from that:

1. Device1.Connected flips for every device that has to do with this machine: a headset, a mouse, a phone that this
   machine called. So a client becomes known by its first write to RX, and only then does Connected count. Nothing
   that never wrote to RX is ever disconnected.
2. That write may come before Connected is signalled. Only that Connected becomes false means something.
3. StartNotify and StopNotify do not say which client (all versions up to 5.87). StopNotify comes after the last one;
   for a client that dropped without unsubscribing and comes again there is no second StartNotify (before 5.48; since
   then only for bonded ones, whose subscription stays: src/gatt-database.c, gatt_ccc_write_cb, att_disconnected).
   So "subscribed" is a state of the characteristic. A client that had not subscribed yet misses what is sent, and
   repeats its request.
4. A changed Value is notified to all who subscribed. Frames say whom they are for. It is a signal on the system bus, so
   that local processes may read it, as whoever hears the radio may; none but bluetoothd may write (`Session`).
"""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from typing import Final

from oob.errors import LinkError
from oob.progress import Progress, Report, silent
from oob.transport.bluez_application import advertisement
from oob.transport.bluez_bus import require_dbus
from oob.transport.bluez_session import Session
from oob.transport.carrier import connection_lost, finish
from oob.transport.gatt_profile import ATT_HEADER
from oob.transport.link import Timing
from oob.transport.peripheral import Clients, Peripheral

RETRY: Final = 1.0
"""Seconds until the next try to come back, if nothing shows before that it may succeed."""
MAX_RETRY: Final = 30.0
"""The longest such wait; it doubles from try to try."""


def bluez_listener(adapter: str | None = None, timing: Timing | None = None, *, report: Report = silent) -> Peripheral:
    """Return a Listener on a Bluetooth adapter, such as "hci0" or its address; None: the first that will do.

    `report` hears when Bluetooth goes, and when the device is reachable again. Raises UsageError on another system
    than Linux, and where dbus_fast is not installed.
    """
    require_dbus()
    return Peripheral(BlueZStack(adapter, report=report), timing=timing)


class _Clients:
    """The devices that wrote to RX and have been connected ever since."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: set[str] = set()
        self._leaving: set[str] = set()  # what they write does not count any more
        self._subscribed = False

    def __contains__(self, peer: object) -> bool:
        return peer in self._known

    def on_write(self, device: str, value: bytes, mtu: int) -> None:
        """A device wrote: from now on it is a client."""
        if device in self._leaving:
            return
        if device not in self._known:
            self._known.add(device)
            self._clients.on_connect(device)
            self._clients.on_subscribe(device, self._subscribed)
        self._clients.on_write(device, value, mtu - ATT_HEADER)

    def on_subscribe(self, enabled: bool) -> None:
        """Somebody subscribed, or nobody is left that does."""
        self._subscribed = enabled
        for device in list(self._known):
            self._clients.on_subscribe(device, enabled)

    def on_gone(self, device: str) -> None:
        """A device, client or not, has disconnected."""
        if device in self._known | self._leaving:
            self._known.discard(device)
            self._leaving.discard(device)
            self._clients.on_disconnect(device)

    def leave(self, device: str) -> None:
        """Ignore what a client still writes while it is being disconnected."""
        self._known.discard(device)
        self._leaving.add(device)

    def left(self, device: str) -> None:
        """Have done with disconnecting it."""
        self._leaving.discard(device)

    def leave_all(self) -> list[str]:
        """Ignore what any client still writes; return who they are."""
        known = list(self._known)
        for device in known:
            self.leave(device)
        return known

    def clear(self) -> None:
        """Take leave of all clients: nothing connects to them any more."""
        self._subscribed = False
        for device in self._known | self._leaving:
            self.on_gone(device)


class BlueZStack:
    """A Stack on BlueZ.

    It outlives BlueZ: when bluetoothd restarts, the adapter goes and comes back or the connection to D-Bus breaks, the
    clients are lost, and everything is registered anew as soon as that can be done. The connection to D-Bus is no
    exception, since a device that has to be started again by hand is of no use, and one rule for all is simpler.
    """

    carrier = "ble"

    def __init__(self, adapter: str | None = None, *, retry: float = RETRY, report: Report = silent) -> None:
        self._adapter = adapter
        self._retry = retry
        self._report = report
        self._tag: bytes | None = None
        self._clients: _Clients | None = None
        self._session: Session | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # one change of the advertisement after the other

    async def start(self, clients: Clients) -> None:
        """Serve, and report to `clients`. Raises LinkError, which names the cause and what mends it."""
        self._clients = _Clients(clients)
        self._tag = None
        session = Session(self._adapter, self._clients)
        try:
            await session.begin(autostart=True)
        except BaseException:
            await session.close()
            raise
        self._session = session
        self._keeper = asyncio.create_task(self._keep(session, self._clients))

    async def stop(self) -> None:
        """Become invisible, hang up on the clients and forget them."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        session, self._session = self._session, None
        if session is None or self._clients is None:
            return
        self._tag = None
        try:
            with suppress(LinkError):  # closing the session does it as well, but later
                await self._refresh(session)
            await asyncio.gather(*map(session.hang_up, self._clients.leave_all()), return_exceptions=True)
        finally:
            await session.close()
            self._clients.clear()

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise this tag, 6 bytes or none; None: be invisible. Raises LinkError where BlueZ refuses it.

        While BlueZ is away the tag is kept until it is back, without an error.
        """
        if tag is not None:
            advertisement(tag)
        self._tag = tag
        if self._session is not None:
            await finish(asyncio.create_task(self._refresh(self._session)))

    async def notify(self, peer: Hashable, value: bytes) -> None:
        """Send one notification, which reaches `peer` and all others. Raises LinkError once `peer` or BlueZ is gone."""
        if self._session is None or self._clients is None or peer not in self._clients:
            raise connection_lost()
        await self._session.notify(value)

    async def disconnect(self, peer: Hashable) -> None:
        """End the connection to a client, some 2 s after what was sent to it; do nothing for what is no client."""
        session, clients = self._session, self._clients
        if not isinstance(peer, str) or session is None or clients is None or peer not in clients:
            return
        clients.leave(peer)
        try:
            with suppress(LinkError):  # then it is gone already, or BlueZ is
                await session.hang_up(peer)
        finally:
            clients.left(peer)

    async def _refresh(self, session: Session) -> None:
        """Have on the air what was asked for last."""
        async with self._turn:
            try:
                await session.advertise(self._tag)
            except LinkError:
                if not session.ended.is_set():
                    raise

    async def _keep(self, session: Session, clients: _Clients) -> None:
        """Begin a new session whenever one has ended."""
        while True:
            await session.ended.wait()
            self._session = None
            clients.clear()
            await session.close()
            self._report(Progress("device", "unreachable", "Bluetooth is gone; waiting for it"))
            session = await self._revive(clients)
            self._report(Progress("device", "reachable", "Bluetooth is back"))

    async def _revive(self, clients: _Clients) -> Session:
        delay = self._retry
        while True:
            session = Session(self._adapter, clients)
            try:
                # Whoever stopped BlueZ wants it stopped: no autostart.
                await session.begin(autostart=False)
                self._session = session
                async with self._turn:
                    await session.advertise(self._tag)
                return session
            except LinkError:
                self._session = None
                session.ended.set()
                clients.clear()  # who came in the moment between
                await session.wait_stirred(delay)
                delay = min(2 * delay, MAX_RETRY)
            finally:
                if self._session is not session:
                    await session.close()
