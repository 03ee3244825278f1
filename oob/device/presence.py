"""What a device shows of itself on the air: a tag that changes, while there is somebody whom it would answer.

A paired device is visible to its owners, who come again; one that is not is visible in its pairing window alone. All
tags look alike: three random bytes and three that only a holder of the tag key can tell from random ones.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from oob.device.offer import Offer
from oob.device.state import DeviceStore
from oob.discovery import NONCE_LENGTH, advertised_tag
from oob.errors import LinkError
from oob.pairing import TAG_KEY_LENGTH
from oob.progress import Progress, Report
from oob.transport.link import Listener

EPOCH: Final = 840.0
"""Seconds after which a tag is replaced: within 15 minutes, also where the carrier takes all its time for that."""
LOOK: Final = 1.0
"""Seconds between two looks at whether the window is open."""
PATIENCE: Final = 30.0
"""Seconds that a carrier has to do what it is told."""
RETRY: Final = 10.0
"""Seconds before a carrier that could not advertise is asked again."""


class Presence:
    """Keeps what listeners advertise in step with the state of the device."""

    def __init__(self, store: DeviceStore, offer: Offer, random: Callable[[int], bytes], report: Report) -> None:
        self._store, self._offer, self._random, self._report = store, offer, random, report
        if store.state.tag_key is None:
            store.update(tag_key=random(TAG_KEY_LENGTH))

    @property
    def is_visible(self) -> bool:
        """Whether there is somebody whom the device would answer: its owners, or whoever comes in its window."""
        return bool(self._store.state.pairings) or self._offer.is_armed()

    @property
    def key(self) -> bytes:
        """The tag key of now, 16 bytes: a reset changes it."""
        key = self._store.state.tag_key
        assert key is not None  # noqa: S101  made in __init__, and never taken away
        return key

    def tag(self) -> bytes:
        """Return a new tag of 6 bytes."""
        return advertised_tag(self.key, self._random(NONCE_LENGTH))

    async def keep(self, listener: Listener) -> None:
        """Advertise on a started listener until cancelled; what fails is reported, and tried again.

        A tag goes with its key: after a reset former owners do not know the device by what is still on the air.
        """
        time = asyncio.get_running_loop().time
        shown: bytes | None = b""  # by which key; not known yet, as an earlier life may have left anything
        due = time()
        while True:
            wanted, pause = self.key if self.is_visible else None, LOOK
            if wanted != shown or (wanted and time() >= due):
                told = await self._advertise(listener, self.tag() if wanted else None)
                shown, due, pause = (wanted, time() + EPOCH, LOOK) if told else (b"", due, RETRY)
            await asyncio.sleep(min(pause, due - time()) if shown else pause)

    async def _advertise(self, listener: Listener, tag: bytes | None) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await listener.advertise(tag)
        except LinkError as error:
            why = str(error)
        except TimeoutError:
            why = f"the carrier did nothing within {PATIENCE:g} s"
        except Exception as error:  # a defect of a carrier must not hide the device for good
            why = f"an error inside: {type(error).__name__}"
        else:
            return True
        self._report(Progress("device", "not visible", why))
        return False
