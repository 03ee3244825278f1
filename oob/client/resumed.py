"""A paired device, reached again: what its owner may ask of it through the protected channel."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from oob.binding import Agreement, Ready, Unable
from oob.binding.management import (
    Answer,
    Done,
    Invite,
    List,
    Listed,
    Listing,
    Remove,
    Rename,
    Request,
    Reset,
    Status,
    decode_answer,
)
from oob.errors import IssuanceError, PeerError, UsageError
from oob.framing.gatt import MessageType
from oob.transport.conversation import expect
from oob.transport.link import Link

ANSWER_WAIT = 70.0
"""Seconds that a device has for an answer; it may have to ask its issuer first."""


class Resumed:
    """A connection to a paired device; leaving the block lets the device go.

    Every method raises LinkError, PeerError or AuthenticationError, after which the connection is of no use, and
    UsageError where the device cannot do it.
    """

    def __init__(self, link: Link, agreement: Agreement, check: Callable[[Ready], Ready]) -> None:
        self.agreement = agreement
        self._link, self._channel, self._check = link, agreement.channel, check

    async def __aenter__(self) -> Self:
        """Return the connection itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the link."""
        await self._link.close()

    async def status(self) -> Ready:
        """Return where the device's page is and under which certificate.

        IssuanceError if it has none, PeerError if it is not under a name of this pairing: it is another owner's then.
        """
        answer = await self._ask(Status())
        if isinstance(answer, Ready):
            return self._check(answer)
        raise _unexpected(answer)

    async def pairings(self) -> tuple[Listed, ...]:
        """Return the pairings that the device holds, oldest first."""
        answer = await self._ask(List())
        if isinstance(answer, Listing):
            return answer.pairings
        raise _unexpected(answer)

    async def rename(self, id: bytes, label: str) -> None:
        """Call the pairing with this id by `label`, at most 64 bytes of UTF-8, printable."""
        await self._do(Rename(id, label))

    async def remove(self, id: bytes) -> None:
        """End the pairing with this id; its client cannot come again."""
        await self._do(Remove(id))

    async def invite(self) -> None:
        """Let another owner pair now, as if the device's button had been pressed."""
        await self._do(Invite())

    async def reset(self) -> None:
        """End all pairings, this one included."""
        await self._do(Reset())

    async def unpair(self) -> None:
        """End one's own pairing."""
        for each in await self.pairings():
            if each.own:
                await self.remove(each.id)

    async def _do(self, request: Request) -> None:
        answer = await self._ask(request)
        if not isinstance(answer, Done):
            raise _unexpected(answer)

    async def _ask(self, request: Request) -> Answer:
        await self._link.send(MessageType.CHANNEL, self._channel.seal(request.encode()))
        return decode_answer(self._channel.open(await expect(self._link, MessageType.CHANNEL, ANSWER_WAIT)))


def _unexpected(answer: Answer) -> UsageError | IssuanceError | PeerError:
    if isinstance(answer, Unable):
        if answer.step == "channel":
            return UsageError(f"the device refused: {answer.reason}", step=answer.step)
        return IssuanceError(
            f"the device has no certificate: {answer.reason}", step=answer.step, problem=answer.problem
        )
    return PeerError("an answer that was not awaited", step="channel")
