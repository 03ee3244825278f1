"""Several stacks as one: a device that is reachable over Bluetooth LE, NFC and IP at once serves one client in all.

Whoever writes first is served, over whichever carrier; all others are told that the device is busy.
"""

import asyncio
from collections.abc import Awaitable, Hashable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from oob.transport.carrier import connection_lost
from oob.transport.link import Timing
from oob.transport.peripheral import Clients, Peripheral, Stack


@dataclass(frozen=True, slots=True)
class _Peer:
    """A client, and the stack by which it came."""

    stack: Stack
    peer: Hashable


class _Port:
    """The Clients of one of the stacks."""

    def __init__(self, stack: Stack, clients: Clients) -> None:
        self._stack, self._clients = stack, clients

    def on_connect(self, peer: Hashable, carrier: str = "") -> None:
        self._clients.on_connect(_Peer(self._stack, peer), carrier or self._stack.carrier)

    def on_subscribe(self, peer: Hashable, enabled: bool) -> None:
        self._clients.on_subscribe(_Peer(self._stack, peer), enabled)

    def on_write(self, peer: Hashable, value: bytes, longest: int) -> None:
        self._clients.on_write(_Peer(self._stack, peer), value, longest)

    def on_disconnect(self, peer: Hashable) -> None:
        self._clients.on_disconnect(_Peer(self._stack, peer))


class Stacks:
    """Several stacks as one Stack. Each peer is named together with the stack by which it came."""

    carrier = "radio"

    def __init__(self, stacks: Iterable[Stack]) -> None:
        self._stacks = tuple(stacks)

    async def start(self, clients: Clients) -> None:
        """Start all of them, or none. Raises LinkError."""
        async with AsyncExitStack() as started:
            for stack in self._stacks:
                await stack.start(_Port(stack, clients))
                started.push_async_callback(stack.stop)
            started.pop_all()

    async def advertise(self, tag: bytes | None) -> None:
        """Advertise on all of them. Raises LinkError once all were told."""
        await _each(stack.advertise(tag) for stack in self._stacks)

    async def stop(self) -> None:
        """Stop all of them."""
        await _each(stack.stop() for stack in self._stacks)

    async def notify(self, peer: Hashable, value: bytes) -> None:
        """Send one notification by the stack of the peer."""
        if not isinstance(peer, _Peer):
            raise connection_lost()
        await peer.stack.notify(peer.peer, value)

    async def disconnect(self, peer: Hashable) -> None:
        """End the connection to one client."""
        if isinstance(peer, _Peer):
            await peer.stack.disconnect(peer.peer)


async def _each(calls: Iterable[Awaitable[None]]) -> None:
    """Make all calls, whichever of them fails; raise the first error."""
    errors = [error for error in await asyncio.gather(*calls, return_exceptions=True) if error is not None]
    if errors:
        raise errors[0]


def together(*listeners: Peripheral, timing: Timing | None = None) -> Peripheral:
    """Return one Listener for the carriers of all these, which are not used by themselves any more.

    A `timing` belongs to that of an `nfc_listener` among them, too: for its `resume`, a tap may come again.
    """
    return Peripheral(Stacks(each.stack for each in listeners), timing=timing)
