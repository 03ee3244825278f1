"""Finding the one device that is meant, and reaching it over Bluetooth LE, or on the local network by a hint."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

from oob.discovery import matches
from oob.errors import AuthenticationError, DeviceNotFound, LinkBusy, LinkError, OobError
from oob.progress import Progress, Report, silent
from oob.transport import ble_central, ble_scanner, tcp
from oob.transport.ble_scanner import Found
from oob.transport.link import Link, Timing

SETTLE: Final = 1.0
"""Seconds for which the radio listens on after the first device, to notice a second one."""
MAX_STRANGERS: Final = 3
"""Devices that may carry the right tag and be another one, before nobody is tried any more."""
HINTED: Final = Timing(resume=5.0)
"""What is reached by a hint may be anything: it is not waited for as a device is that was found."""
MAX_LISTED: Final = 8
"""Devices that an error lists."""


class Search:
    """The search for one device: by the tag key of its bootstrap data, by its address, or as the only one in range.

    `tag_key` has 16 bytes; `scanner` and `backend` are passed to bleak, as is `adapter` ("hci1", under BlueZ). `hints`
    are those of bootstrap data: addresses with a port on the local network are tried first, others are passed over.
    """

    def __init__(
        self,
        *,
        tag_key: bytes | None = None,
        address: str | None = None,
        hints: Sequence[str] = (),
        timeout: float = 20.0,
        settle: float = SETTLE,
        scanner: type[Any] | None = None,
        backend: type[Any] | None = None,
        adapter: str | None = None,
        timing: Timing | None = None,
        report: Report = silent,
    ) -> None:
        self._tag_key, self._address = tag_key, None if address is None else address.casefold()
        self._timeout, self._settle, self._backend = timeout, settle, backend
        self._radio: dict[str, Any] = {"backend": scanner, "adapter": adapter, "report": report}
        self._adapter, self._timing, self._report = adapter, timing, report
        self._strangers: dict[str, OobError] = {}  # by address
        self._hints = iter(hints)
        self._is_hinted = False  # whether the last link is to where a hint says
        self._elsewhere: OobError | None = None  # why the first device refused that was reached by a hint
        self._last = ""  # the address that was tried last
        self._linked = False  # and that was reached

    async def reach(self) -> Link:
        """Connect to the device: where the next hint says, else to the next that has its tag.

        Raises as `oob.client.reach`; where a device was reached by a hint, and none nearby, why that one refused.
        """
        link = await self._reach_hinted()
        self._is_hinted = link is not None
        if link is not None:
            return link
        try:
            return await self._reach_nearby()
        except LinkError as error:
            raise self._elsewhere or error from None

    async def _reach_hinted(self) -> Link | None:
        for hint in self._hints:
            address = tcp.local_address(hint)
            if address is None:
                self._tell("not followed", hint)
                continue
            self._last = hint
            self._tell("connecting", f"{address[0]} port {address[1]}")
            with suppress(DeviceNotFound):
                return await tcp.connect(*address, timing=self._timing or HINTED)
        return None

    async def _reach_nearby(self) -> Link:
        if len(self._strangers) == MAX_STRANGERS:
            raise self._none_of_them()
        found = await self._first()
        self._tell("found", str(found))
        self._linked = False
        link = await ble_central.connect(
            found.handle,
            backend=self._backend,
            adapter=self._adapter,
            timeout=self._timeout,
            timing=self._timing,
            locate=self._find_again,
            report=self._report,
        )
        self._linked = True
        return link

    def go_on(self, error: OobError) -> bool:
        """Note by which error the device that was reached showed to be another one; return whether there may be more.

        A tag is a hint: one stranger in 2^24 matches by chance, and anybody can repeat a tag that was heard. So is what
        stands beside it: by now another one may have that address, or none ever had.
        """
        if self._is_hinted:
            if isinstance(error, AuthenticationError | LinkBusy):  # it speaks as a device does
                self._elsewhere = self._elsewhere or error
            self._tell("another", f"what answers at {self._last} did not prove to be the device that is meant")
            return True
        if self._tag_key is None:
            return False
        self._strangers[self._last] = error
        self._tell("another", f"{self._last} has the tag, and is not the device that is meant")
        return True

    async def _first(self) -> Found:
        timeout = self._settle if self._strangers else self._timeout
        self._tell("scanning", f"for {timeout:g} s at most")
        try:
            return await self._find(timeout)
        except DeviceNotFound:
            if self._strangers:
                raise self._none_of_them() from None
            raise

    def _none_of_them(self) -> OobError:
        """Return what the first stranger showed; where there were several, say so."""
        first, *more = self._strangers.values()
        if not more:
            return first
        crowd = f"{len(more) + 1} devices have the right tag, and none is the one that is meant"
        return type(first)(f"{crowd}: {first.cause}", step=first.step, remedy="Hold the two together, and try again")

    async def _find(self, timeout: float, but: str = "") -> Found:
        """Return the device that is meant, at another address than `but`."""
        if self._tag_key is None and self._address is None:
            found = await self._only(timeout)
        else:
            found = await ble_scanner.find(
                lambda seen: self._is_meant(seen) and seen.address != but, timeout, **self._radio
            )
        self._last = found.address
        return found

    async def _find_again(self, timeout: float) -> Found:
        """Find the device anew. One that could not be reached gives way to another with the same tag."""
        if self._linked and self._tag_key is None and self._address is None:
            with suppress(DeviceNotFound):  # else it may have another address by now
                return await ble_scanner.find(lambda seen: seen.address == self._last, self._settle, **self._radio)
            timeout -= self._settle
        if self._tag_key is not None and not self._linked and self._settle < timeout:
            try:
                return await self._find(self._settle, but=self._last)
            except DeviceNotFound:
                timeout -= self._settle
        return await self._find(timeout)

    def _is_meant(self, seen: Found) -> bool:
        if self._address is not None:
            return seen.address.casefold() == self._address
        return self._tag_key is not None and seen.address not in self._strangers and matches(self._tag_key, seen.tag)

    async def _only(self, timeout: float) -> Found:
        """Return the device in range if there is exactly one: the first to answer may be the neighbour's."""
        seen: dict[str, Found] = {}
        now = asyncio.get_running_loop().time
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(None) as settling,
                aclosing(ble_scanner.scan(timeout, **self._radio)) as sightings,
            ):
                async for found in sightings:
                    settling.reschedule(settling.when() or now() + self._settle)
                    seen[found.address] = found
        if not seen:
            raise ble_scanner.not_seen(timeout)
        if len(seen) > 1:
            raise _several(list(seen.values()))
        return seen.popitem()[1]

    def _tell(self, step: str, detail: str) -> None:
        self._report(Progress("client", step, detail))


def _several(found: list[Found]) -> LinkError:
    """Return the error for several devices, of which nothing tells the right one: strongest signal first."""
    nearest = sorted(found, key=lambda each: -each.rssi)
    listed = ", ".join(map(str, nearest[:MAX_LISTED]))
    if len(nearest) > MAX_LISTED:
        listed += f" and {len(nearest) - MAX_LISTED} more"
    return LinkError(
        f"several devices offer pairing: {listed}",
        step="discover",
        remedy="Choose one by its address (--address), or pair by the device's tag or QR code",
    )


async def reach(
    *,
    tag_key: bytes | None = None,
    address: str | None = None,
    timeout: float = 20.0,
    settle: float = SETTLE,
    scanner: type[Any] | None = None,
    backend: type[Any] | None = None,
    adapter: str | None = None,
    timing: Timing | None = None,
    report: Report = silent,
) -> Link:
    """Connect to the device with this tag key or address, or to the only one in range.

    `tag_key` comes from bootstrap data, 16 bytes, or from a pairing. `scanner`, `backend` and `adapter` are passed to
    bleak, `timing` to the link. Raises DeviceNotFound when it is not seen within `timeout` seconds, LinkError when it
    cannot be reached in as many more, or when several answer and nothing tells them apart.
    """
    search = Search(
        tag_key=tag_key,
        address=address,
        timeout=timeout,
        settle=settle,
        scanner=scanner,
        backend=backend,
        adapter=adapter,
        timing=timing,
        report=report,
    )
    return await search.reach()
