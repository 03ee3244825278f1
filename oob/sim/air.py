"""The simulated air between bumble's controllers: how long data takes, and what can go wrong on its way.

Bumble's own medium delivers everything at once. Nor do its controllers negotiate the length of link layer packets (data
length extension), and they report connection parameters that nobody keeps: all of that is decided by the `LinkModel`.
The ATT MTU, in contrast, is agreed between bumble's hosts as on a real radio. Chapters below are of the Bluetooth Core,
volume 6, part B. Times are those of the running loop: in real time and in `oob.sim.virtual_time` alike.

A connection has an event every interval (4.5.1). In it the two ends send in turns, the central first; a link layer
packet that is lost ends the event, and is sent again in the next one (4.5.6, 4.5.9): data is late, never lost. An event
takes no time, so what is sent in answer to its data leaves in the next event at the earliest.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bumble import controller, ll
from bumble.att import ATT_CID, Opcode
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.hci import (
    HCI_CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
    HCI_CONNECTION_TIMEOUT_ERROR,
    HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR,
    Address,
)
from bumble.link import LocalLink

UNACKNOWLEDGED: Final = (Opcode.ATT_WRITE_COMMAND, Opcode.ATT_HANDLE_VALUE_NOTIFICATION)
"""What a host may lose, repeat or swap: for everything else, the other side owes an answer."""
_L2CAP_HEADER: Final = 4
_UNHEARD_EVENTS: Final = 6
"""Events after which a connection that never came about is given up (4.5.2)."""
_TICK: Final = 1e-6  # seconds, far below any interval: sums of floating-point numbers miss by less


@dataclass(frozen=True, slots=True)
class LinkModel:
    """What a simulated link does to data; by default a sound link of a phone or of Linux without data length extension.

    Linux asks for intervals of 30 to 50 ms and for a supervision timeout of 420 ms (`hci_alloc_dev`). iOS was
    measured to send four packets in an event (punchthrough.com, "Maximizing BLE Throughput on iOS and Android").
    """

    interval: float = 0.030
    """The connection interval in seconds; 0: all that waits passes at once."""
    payload: int = 27
    """The bytes of an L2CAP PDU that one link layer packet holds: 27, or up to 251 with data length extension."""
    packets: int = 4
    """The link layer packets that either end may send in one event."""
    setup: int = 3
    """The events that the link layers need for themselves (features, versions, lengths) before any data passes."""
    supervision_timeout: float = 0.420
    """The seconds of silence after which a connection is lost, at the next event."""
    packet_loss: float = 0.0
    """The probability that a link layer packet, or an advertisement, is lost."""
    loss: float = 0.0
    """The probability that a host loses a notification or write command that arrived."""
    duplication: float = 0.0
    """The probability that it takes one twice."""
    reordering: float = 0.0
    """The probability that it takes one after the next PDU, or an event later if there is none."""


IMMEDIATE: Final = LinkModel(interval=0.0, supervision_timeout=0.1)
"""A link without latency. Silence is noticed soon, so that tests in real time need not wait."""


@dataclass(slots=True)
class _Pdu:
    """An L2CAP PDU or a link layer control PDU on its way, and the packets that it still needs."""

    content: bytes | ll.ControlPdu
    packets: int

    @property
    def opcode(self) -> int | None:
        """The opcode of an ATT PDU; None for all else."""
        pdu = self.content
        if isinstance(pdu, bytes) and len(pdu) > _L2CAP_HEADER and int.from_bytes(pdu[2:4], "little") == ATT_CID:
            return pdu[_L2CAP_HEADER]
        return None


@dataclass(eq=False, slots=True)
class _End:
    """One end of a connection: what it has to send, and what arrived but was held back from its host."""

    connection: controller.Connection
    queue: deque[_Pdu] = field(default_factory=deque)
    held: list[_Pdu] = field(default_factory=list)

    @property
    def is_up(self) -> bool:
        """Whether the controller still has the connection."""
        return self.connection.controller.le_connections.get(self.connection.peer_address) is self.connection

    def take(self, *pdus: _Pdu) -> None:
        """Give PDUs to the controller, which passes data on to the host."""
        stack, peer = self.connection.controller, self.connection.peer_address
        for pdu in pdus:
            if not self.is_up:
                return
            if isinstance(pdu.content, bytes):
                stack.on_link_acl_data(peer, PhysicalTransport.LE, pdu.content)
            else:
                stack.on_ll_control_pdu(peer, pdu.content)

    def release(self) -> None:
        """Take what was held back."""
        held, self.held = self.held, []
        self.take(*held)

    def lose(self, reason: int) -> None:
        """Report the connection as lost, if it stands."""
        if self.is_up:
            self.connection.controller.on_le_disconnected(self.connection, reason)


class _Contact:
    """A connection on the air, from the request on: its events, and its supervision (4.5.2)."""

    def __init__(self, air: "Air", *ends: _End) -> None:
        self.ends = ends  # the central first; it is alone where nobody took its request
        self.is_over = False
        self._air = air
        self._model = model = air.model
        # Without latency, too, something must notice silence.
        self._period = model.interval or model.supervision_timeout / 4
        self._limit = model.packets if model.interval else sys.maxsize
        self._setup = model.setup if model.interval else 0
        self._patience, self._reason = _UNHEARD_EVENTS * self._period, HCI_CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR
        self._loop = asyncio.get_running_loop()
        self._anchor = self._heard = self._loop.time()
        self._events = 0
        self._timer = self._next()

    def send(self, end: _End, content: bytes | ll.ControlPdu) -> None:
        """Queue a PDU at one end, for the next event."""
        size = len(content) if isinstance(content, bytes) else 1
        end.queue.append(_Pdu(content, -(-size // self._model.payload)))
        if not self._model.interval:
            self._loop.call_soon(self._exchange)

    def lose(self, reason: int = HCI_CONNECTION_TIMEOUT_ERROR) -> None:
        """Lose the connection at both ends, with all that was on its way."""
        self.stop()
        for end in self.ends:
            end.lose(reason)

    def stop(self) -> None:
        """Let nothing more happen."""
        self.is_over = True
        self._timer.cancel()

    def _next(self) -> asyncio.TimerHandle:
        self._events += 1
        return self._loop.call_at(self._anchor + self._events * self._period, self._event)

    def _event(self) -> None:
        self._timer = self._next()
        for end in self.ends:
            end.release()
        self._exchange()
        if not any(end.is_up for end in self.ends):
            self.stop()
        elif not self.is_over and self._loop.time() > self._heard + self._patience - _TICK:
            self.lose(self._reason)

    def _exchange(self) -> None:
        """Send in turns until nobody has more, the event is full, or a packet is lost."""
        self._air.cut_if_due()
        if self.is_over or len(self.ends) < 2 or not self._air.joins(*self.ends):
            return
        left = self._limit
        while self._turn(*self.ends) and self._turn(*reversed(self.ends)):
            left -= 1
            if self._setup or not left or not any(end.queue for end in self.ends):
                break
        self._setup = max(0, self._setup - 1)

    def _turn(self, sender: _End, receiver: _End) -> bool:
        """Send one packet, empty if there is no data; return whether it got through and the connection still stands."""
        if self._air.strikes(self._model.packet_loss):
            return False
        self._heard = self._loop.time()
        self._patience, self._reason = self._model.supervision_timeout, HCI_CONNECTION_TIMEOUT_ERROR
        if sender.queue and not self._setup:
            pdu = sender.queue[0]
            pdu.packets -= 1
            if not pdu.packets:
                self._deliver(sender.queue.popleft(), receiver)
        return not self.is_over

    def _deliver(self, pdu: _Pdu, receiver: _End) -> None:
        """Give a PDU that has arrived to the host, unless the host is at fault."""
        earlier, receiver.held = receiver.held, []
        if pdu.opcode is None:
            receiver.take(*earlier, pdu)
            return
        strikes, model = self._air.strikes, self._model
        copies = 1
        if pdu.opcode in UNACKNOWLEDGED:
            copies = 0 if strikes(model.loss) else 2 if strikes(model.duplication) else 1
            if strikes(model.reordering):
                receiver.held, copies = [pdu] * copies, 0
        receiver.take(*[pdu] * copies, *earlier)
        self._air.count()


class Air(LocalLink):
    """The simulated medium. Controllers that are out of range neither hear nor are heard."""

    def __init__(self, model: LinkModel = IMMEDIATE, random: Random | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.att_pdus = 0
        """The ATT PDUs that were carried so far, in both directions; also those that a host then lost."""
        self._random = random or Random(0)  # noqa: S311 - nothing secret comes of it
        self._present: list[Controller] = []  # in order, which the set of the base class is not
        self._absent: set[Controller] = set()
        self._contacts: list[_Contact] = []
        self._jammed_until = 0.0
        self._cut_at: int | None = None

    def set_range(self, controller: Controller, reachable: bool) -> None:
        """Take a controller out of range, or back in. One that is removed meanwhile is never heard again."""
        if reachable:
            self._absent.discard(controller)
        else:
            self._absent.add(controller)

    def jam(self, seconds: float) -> None:
        """Let nothing get through for a while."""
        self._jammed_until = asyncio.get_running_loop().time() + seconds

    def cut_after(self, pdus: int) -> None:
        """Lose all connections once `pdus` more ATT PDUs were carried; 0: as soon as there is a connection."""
        self._cut_at = self.att_pdus + pdus

    def lose(self, controller: Controller) -> None:
        """Lose the connections of a controller at once, at both ends."""
        for contact in self._contacts:
            if any(end.connection.controller is controller for end in contact.ends):
                contact.lose()

    def close(self) -> None:
        """Stop all connections where they are."""
        for contact in self._contacts:
            contact.stop()

    def count(self) -> None:
        """Count an ATT PDU."""
        self.att_pdus += 1
        self.cut_if_due()

    def cut_if_due(self) -> None:
        """Lose all connections if `cut_after` says so."""
        if self._cut_at is not None and self.att_pdus >= self._cut_at:
            self._cut_at = None
            for contact in self._contacts:
                contact.lose()

    def strikes(self, probability: float) -> bool:
        """Throw the dice for a mishap."""
        return probability > 0 and self._random.random() < probability

    def joins(self, *ends: _End) -> bool:
        """Whether anything gets from one end to the other now."""
        return not self._is_jammed and all(end.connection.controller not in self._absent for end in ends)

    def add_controller(self, controller: Controller) -> None:
        """Let a controller take part."""
        super().add_controller(controller)
        self._present.append(controller)

    def remove_controller(self, controller: Controller) -> None:
        """Let a controller take part no longer; what it sent before still arrives."""
        super().remove_controller(controller)
        self._present.remove(controller)

    def send_acl_data(
        self, sender_controller: Controller, destination_address: Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """Queue an L2CAP PDU."""
        self._send(sender_controller, destination_address, data)

    def send_ll_control_pdu(self, sender_address: Address, receiver_address: Address, packet: ll.ControlPdu) -> None:
        """Queue a link layer control PDU, behind the data that was queued before it."""
        sender = self.find_le_controller(sender_address)
        if sender is not None:
            self._send(sender, receiver_address, packet)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Carry an advertisement or a connection request to everyone in range."""
        loop = asyncio.get_running_loop()
        hearers = [] if sender_controller in self._absent or self._is_jammed else list(self._hearers(sender_controller))
        if isinstance(packet, ll.ConnectInd):
            loop.call_soon(self._connect, sender_controller, packet, hearers)
            return
        for hearer in hearers:
            loop.call_soon(hearer.on_ll_advertising_pdu, packet)

    @property
    def _is_jammed(self) -> bool:
        return asyncio.get_running_loop().time() < self._jammed_until

    def _hearers(self, sender: Controller) -> Iterator[Controller]:
        for stack in self._present:
            if stack is not sender and stack not in self._absent and not self.strikes(self.model.packet_loss):
                yield stack

    def _send(self, sender: Controller, peer: Address, content: bytes | ll.ControlPdu) -> None:
        for contact in self._contacts:
            for end in contact.ends:
                if end.connection is sender.le_connections.get(peer) and not contact.is_over:
                    contact.send(end, content)

    def _connect(self, central: Controller, request: ll.ConnectInd, hearers: list[Controller]) -> None:
        """Carry a connection request: at most one of those who hear it takes it."""
        initiator, advertiser = request.initiator_address, request.advertiser_address
        self._contacts = [contact for contact in self._contacts if not contact.is_over]
        for contact in self._contacts:
            addresses = {contact.ends[0].connection.self_address, contact.ends[0].connection.peer_address}
            if addresses == {initiator, advertiser}:
                contact.lose(HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR)  # its last words are still on their way
        ends = [_End(central.le_connections[advertiser])]
        for stack in hearers:
            stack.on_ll_advertising_pdu(request)
            taken = stack.le_connections.get(initiator)
            if taken is not None and taken.self_address == advertiser:
                ends.append(_End(taken))
                break
        self._contacts.append(_Contact(self, *ends))
