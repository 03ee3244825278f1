"""A device that is tapped: one touch of its own tag pairs it, and its page opens. NFC is simulated, all else is not.

Run it:  .venv/bin/python examples/one_tap.py

On real hardware the issuer runs elsewhere (`oob issuer serve`), the device's tag is `oob.open_emulator()`, a reader
that nfcpy drives, and the app says `oob.tap()`, which takes the first reader that it finds.
"""

import asyncio
import ssl
import tempfile
import time
from pathlib import Path

import oob
from oob.client.page import visit
from oob.issuance import Authority
from oob.issuance.server import Policy, serve
from oob.issuance.store import Store
from oob.sim.field import Field


class HelloPage:
    """All that a device maker writes: serve HTTPS under the key and chain that `publish` is given."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.server: asyncio.Server | None = None

    async def publish(self, tls_pem: bytes, names: tuple[str, ...]) -> tuple[str, str]:
        """Serve, and return URL and "host:port", since nothing resolves the name here."""
        file = self._directory / "tls.pem"
        file.touch(mode=0o600)
        file.write_bytes(tls_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        port = self.server.sockets[0].getsockname()[1]
        return f"https://{names[0]}:{port}/", f"127.0.0.1:{port}"

    async def withdraw(self) -> None:
        """Serve no more: nobody owns the printer."""
        if self.server is not None:
            self.server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\nConnection: close\r\n\r\nHello from the printer")
        await writer.drain()
        writer.close()


async def main() -> None:
    """Run the three of them."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        zones, networks = ["home.arpa"], ["127.0.0.0/8"]  # the root certifies nothing else
        authority = Authority.create(home / "issuer", dns_zones=zones, ip_networks=networks, now=time.time())
        store = await Store.open(home / "issuer" / "issuer.sqlite")
        async with serve(authority, store, Policy("home.arpa")) as issuer:
            (home / "printer").mkdir(mode=0o700)
            page, field = HelloPage(home / "printer"), Field()  # a reader and a tag, near each other
            device = oob.Device("Lab printer", home / "printer", page, model=oob.Model.SECRET, printed=False)
            listener = oob.nfc_listener(field, lambda: device.tapped("https://maker.example/d/7"))
            await listener.start()
            serving = asyncio.create_task(device.serve(listener))
            print("Tap the printer: its tag carries a new secret for each tap.")

            async with await oob.tap(field) as tap:
                print(f"The tag names {tap.content.url}, which is not opened.")
                pairing = await oob.pair(
                    tap,
                    issuer=issuer.directory_url,
                    root=authority.root_der,
                    directory=home / "app",
                    names=("printer",),
                )
            print(f"Paired with {pairing.name!r}, proven by {pairing.strength}: {pairing.url}")
            answer = await visit(pairing, authority.root_der)
            print(f"HTTP {answer.status}: {answer.body.decode()}")

            serving.cancel()
            await listener.close()
            if page.server is not None:
                page.server.close()
        await store.close()


asyncio.run(main())
