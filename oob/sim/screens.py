"""The one who looks at both screens of a comparison: says yes when both show the same number."""

import asyncio
from typing import Final

LOOK: Final = 5.0
"""Seconds for which the other screen is waited for."""


class Screens:
    """What device and client show; `device` and `client` are the questions that each of them puts to its user."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self._both = asyncio.Event()

    async def device(self, number: str, who: str) -> bool:
        """Look at the device's number, and at the client's."""
        return await self._compare("device", number)

    async def client(self, number: str, name: str) -> bool:
        """Look at the client's number, and at the device's."""
        return await self._compare("client", number)

    async def _compare(self, screen: str, number: str) -> bool:
        self._shown[screen] = number
        if len(self._shown) == 2:
            self._both.set()
        try:
            async with asyncio.timeout(LOOK):
                await self._both.wait()
        except TimeoutError:
            return False
        return self._shown["device"] == self._shown["client"]
