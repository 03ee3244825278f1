"""`oob issuer`: make a local CA, and serve it."""

import argparse
import asyncio
import hashlib
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

from oob import storage
from oob.cli.arguments import parse_address
from oob.cli.terminal import Terminal
from oob.errors import StorageError, UsageError
from oob.issuance import Authority, base64url
from oob.issuance.authority import AUTHORITY_FILE, ROOT_FILE
from oob.issuance.server import APP, Policy
from oob.issuance.server import serve as serve_issuer
from oob.issuance.store import Store
from oob.progress import Progress

STORE_FILE = "issuer.sqlite"
TOKEN_FILE = "token"  # noqa: S105  the name of a file


async def init(args: argparse.Namespace, terminal: Terminal) -> int:
    """Make the root and the enrolment token, once; the root goes to stdout."""
    token = _make_token(args.state)
    authority = Authority.create(args.state, dns_zones=args.zone, ip_networks=args.network, now=time.time())
    path = args.state / ROOT_FILE
    networks = [str(network) for network in authority.networks]
    terminal.result(
        {
            "root": str(path),
            "token": str(token),
            "root_hash": authority.root_hash.hex(),
            "zones": list(authority.zones),
            "networks": networks,
        }
    )
    terminal.say(f"Made a root for {', '.join([*authority.zones, *networks])} and nothing else.")
    terminal.say(f"Serve it:  oob issuer serve --state {args.state}")
    terminal.say(f"Whoever is to pair needs its certificate, {path},")
    terminal.say(f"and the enrolment token in {token}, which is for nobody else.")
    terminal.show(authority.root_pem.rstrip("\n"))
    return 0


async def serve(args: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until stopped."""
    host, port = parse_address(args.listen)
    origins = frozenset({APP, *map(_origin, args.origin)})
    authority = Authority.load(args.state)
    token_hash = None if args.open else _token_hash(args.state)
    networks = tuple(args.assign_network)
    policy = Policy(authority.zones[0], ip_networks=networks, origins=origins, token_hash=token_hash)
    store = await Store.open(args.state / STORE_FILE)
    try:
        async with serve_issuer(authority, store, policy, host=host, port=port, names=args.name) as issuer:
            terminal.event(Progress("issuer", "serving", issuer.directory_url))
            token = f" --token-file {args.state / TOKEN_FILE}" if token_hash else ""
            terminal.say(f"Pair:  oob pair --issuer {issuer.directory_url} --root {args.state / ROOT_FILE}{token}")
            if token_hash is None:
                terminal.say("It asks for no enrolment token: whoever reaches it can pair. That is for trials.")
            terminal.say("Ctrl-C stops.")
            await asyncio.Event().wait()
    finally:
        await store.close()
    return 0


def _make_token(state: Path) -> Path:
    """Make the enrolment token before the authority: an authority without one would be open to everybody."""
    path = storage.private_directory(state) / TOKEN_FILE
    if storage.find(path) is None and not (state / AUTHORITY_FILE).exists():
        storage.write_atomic(path, f"{base64url.encode(secrets.token_bytes(16))}\n".encode())
    return path


def _token_hash(state: Path) -> bytes | None:
    """Return SHA-256 of the enrolment token, None if there is no such file; StorageError if it holds no token."""
    data = storage.find(state / TOKEN_FILE)
    if data is None:
        return None
    if not data.strip():
        remedy = "Put a long random text into it, or serve with --open"
        raise StorageError(f"{state / TOKEN_FILE} is empty", step="token", remedy=remedy)
    return hashlib.sha256(data.strip()).digest()


def _origin(url: str) -> str:
    """Return the origin of a URL in the form that browsers send; UsageError if it has none."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{url!r} is not a web origin", step="origin", remedy="For example https://app.example")
    return f"{parts.scheme}://{parts.netloc.lower()}"
