"""The demonstration: pair with a simulated device, get its certificate, open its page, and measure all of it."""

import asyncio
import ssl
import time
from datetime import UTC, datetime
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from oob.binding.exchange import METHOD, SUITE
from oob.client import Pairing
from oob.client.page import check_peer, place, visit
from oob.errors import AuthenticationError, LinkError, LinkTimeout, UsageError
from oob.framing.gatt import MessageType
from oob.issuance import tls_context
from oob.progress import Progress, Report, silent
from oob.sim.home import Home
from oob.sim.page import ECHO_PATH
from oob.transport.link import Link

WISH: Final = "lamp"
ECHO_WAIT: Final = 10.0


class Stopwatch:
    """Notes when each step was reported, in milliseconds since it was made, and passes the report on."""

    def __init__(self, report: Report = silent) -> None:
        self._report, self._start = report, time.perf_counter()
        self._at: dict[tuple[str, str], float] = {}

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        self._at[progress.who, progress.step] = self.elapsed()
        self._report(progress)

    def elapsed(self) -> float:
        """Return the milliseconds since the start."""
        return round((time.perf_counter() - self._start) * 1000, 1)

    def between(self, first: str, last: str) -> float:
        """Return the milliseconds between two steps of the client."""
        return round(self._at["client", last] - self._at["client", first], 1)


class CountedLink:
    """A link that counts its round trips, apart for handshake and channel: the answers that came."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.carrier = link.carrier
        self.bytes_sent = self.bytes_received = 0
        self.answered: dict[MessageType, int] = dict.fromkeys(MessageType, 0)

    async def send(self, type: MessageType, message: bytes) -> None:
        """Send one message."""
        await self._link.send(type, message)
        self._note()

    async def receive(self, timeout: float) -> tuple[MessageType, bytes]:
        """Return the peer's next message, and count it."""
        type, message = await self._link.receive(timeout)
        self.answered[type] += 1
        self._note()
        return type, message

    def _note(self) -> None:
        self.bytes_sent, self.bytes_received = self._link.bytes_sent, self._link.bytes_received

    async def close(self) -> None:
        """Let go of the carrier."""
        await self._link.close()


async def run(home: Home, watch: Stopwatch) -> dict[str, Any]:
    """Run the demonstration in `home`, whose reports go to `watch`; return what was done and measured."""
    home.device.offer.press()  # whoever demonstrates stands at the device
    root = home.issuer.authority.root_der
    link = CountedLink(await home.connect())
    watch(Progress("client", "connected", home.carrier))
    try:
        pairing = await home.client.pair(link, home.carried(), names=(WISH,))
    finally:
        await link.close()
    page = await visit(pairing, root)
    watch(Progress("client", "page", f"HTTP {page.status} from {pairing.url}, over verified TLS"))
    wss_echo = await echo(pairing, root, "hello") == "hello"
    watch(Progress("client", "websocket", "echo over verified TLS"))
    return {
        "carrier": home.carrier,
        "simulated": home.carrier != "memory",
        "model": pairing.model,
        "strength": pairing.strength,
        "method": METHOD,
        "suite": SUITE,
        "round_trips": link.answered[MessageType.HANDSHAKE],
        "channel_round_trips": link.answered[MessageType.CHANNEL],
        "bytes_sent": link.bytes_sent,
        "bytes_received": link.bytes_received,
        "handshake_ms": watch.between("session", "agreed"),
        "issuance_ms": watch.between("bound", "ready"),
        "total_ms": watch.elapsed(),
        "device_key": pairing.device.hex(),
        **await _certificate(home),
        "url": pairing.url,
        "https_status": page.status,
        "wss_echo": wss_echo,
        "peer_key_verified": True,  # `visit` and `echo` raise otherwise
    }


async def echo(pairing: Pairing, root_der: bytes, text: str) -> str:
    """Send `text` through the WebSocket of the device's page and return what comes back.

    Raises AuthenticationError, LinkError, LinkTimeout within 10 s.
    """
    try:
        async with asyncio.timeout(ECHO_WAIT):
            return await _converse(pairing, root_der, text)
    except TimeoutError as error:
        raise LinkTimeout(f"no echo came within {ECHO_WAIT:g} s", step="websocket") from error
    except ssl.SSLCertVerificationError as error:
        cause = f"the page's certificate is not accepted: {error.verify_message}"
        raise AuthenticationError(cause, step="websocket") from error
    except (OSError, WebSocketException) as error:
        raise LinkError(f"the WebSocket of {pairing.url} cannot be used: {error}", step="websocket") from error


async def _converse(pairing: Pairing, root_der: bytes, text: str) -> str:
    name, host, port = place(pairing)
    url = pairing.url.replace("https://", "wss://", 1).rstrip("/") + ECHO_PATH
    context = tls_context(root_der)
    async with connect(
        url, host=host, port=port, ssl=context, server_hostname=name, proxy=None, open_timeout=None, close_timeout=1
    ) as socket:
        check_peer(socket.transport.get_extra_info("ssl_object"), pairing)
        await socket.send(text)
        return str(await socket.recv())


async def _certificate(home: Home) -> dict[str, Any]:
    certificate = home.device.certificate
    if certificate is None:
        raise UsageError("the device got no certificate in this run")
    account = await home.issuer.store.orders.account_key_of(certificate.serial)
    return {
        "certificate_account_key": account.hex() if account else None,
        "certificate": {
            "names": list(certificate.names),
            "not_after": datetime.fromtimestamp(certificate.not_after, UTC).isoformat(),
            "issuer": certificate.issuer,
        },
    }
