"""`oob owner`: come again to a paired device, and manage its pairings."""

import argparse
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from oob.binding.management import Listed
from oob.cli.pair import connect_to_address, read_root, read_token, require_one_carrier
from oob.cli.terminal import Terminal
from oob.client import Client, Pairing, PairingStore, Resumed, reach, tap
from oob.errors import UsageError
from oob.storage import private_directory
from oob.transport.link import Link


async def pairings(args: argparse.Namespace, terminal: Terminal) -> int:
    """List the pairings that are kept on this machine."""
    kept = PairingStore(private_directory(args.state)).all()
    if not kept:
        terminal.say("No device is paired here. To pair with one: oob pair")
    for each in kept:
        terminal.result({"device": each.device.hex(), "name": each.name, "status": each.status, "url": each.url})
        terminal.show(f"{each.device.hex()[:16]}  {each.name}  {each.status}  {each.url}")
    return 0


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Reach the device, do what was asked, and let it go."""
    require_one_carrier(args)
    pairing = _chosen(PairingStore(private_directory(args.state)).all(), args.device)
    async with AsyncExitStack() as stack:
        token = read_token(getattr(args, "token_file", None))
        client = Client(pairing.issuer, read_root(args.root), args.state, token=token, report=terminal.progress)
        stack.callback(client.close)
        if args.verb == "forget":
            await client.forget(pairing)
            return 0
        link = await _link(args, pairing, terminal, stack)
        stack.push_async_callback(link.close)
        if args.verb == "unpair":
            await client.unpair(link, pairing)
        elif args.verb == "renew":
            renewed = await client.renew(link, pairing, names=tuple(args.name))
            terminal.result({"url": renewed.url})
            terminal.show(renewed.url)
        else:
            await _VERBS[args.verb](await client.resume(link, pairing), args, terminal)
        terminal.say("Done.")
    return 0


async def _list(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    for each in await device.pairings():
        row = {"id": each.id.hex(), "label": each.label, "model": each.model, "strength": each.strength}
        terminal.result({**row, "own": each.own})
        terminal.show(f"{each.id.hex()[:16]}  {'*' if each.own else ' '}  {each.strength:14}  {each.label}")


async def _status(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    ready = await device.status()
    terminal.result({"url": ready.url, "address": ready.address, "certificate_sha256": ready.leaf_hash.hex()})
    terminal.show(ready.url)


async def _rename(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    await device.rename(_meant(await device.pairings(), args.id).id, args.label)


async def _remove(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    await device.remove(_meant(await device.pairings(), args.id).id)


async def _invite(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    await device.invite()
    terminal.say("Another owner can pair now, for two minutes.")


async def _reset(device: Resumed, args: argparse.Namespace, terminal: Terminal) -> None:
    await device.reset()


_VERBS: dict[str, Callable[[Resumed, argparse.Namespace, Terminal], Awaitable[None]]] = {
    "list": _list,
    "status": _status,
    "rename": _rename,
    "remove": _remove,
    "invite": _invite,
    "reset": _reset,
}


async def _link(args: argparse.Namespace, pairing: Pairing, terminal: Terminal, stack: AsyncExitStack) -> Link:
    """Return a link to the device; `stack` closes what it needs."""
    link = await connect_to_address(args)
    if link is not None:
        return link
    if args.nfc:
        tapped = await tap(args.reader, timeout=args.timeout, report=terminal.progress)
        stack.push_async_callback(tapped.close)
        if tapped.link is None:
            raise UsageError("the device cannot be reached through this tag", step="tap", remedy="Leave out --nfc")
        return tapped.link
    return await reach(
        tag_key=pairing.tag_key if pairing.tag_key and args.address is None else None,
        address=args.address,
        timeout=args.timeout,
        adapter=args.adapter,
        report=terminal.progress,
    )


def _chosen(pairings: list[Pairing], wanted: str | None) -> Pairing:
    """Return the one pairing that is meant, by the head of its key or by the name of the device. UsageError if none."""
    kept = {each.device: each for each in sorted(pairings, key=lambda each: each.status == "ready")}  # before attempts
    found = [
        each for each in kept.values() if wanted is None or wanted in (each.name, each.device.hex()[: len(wanted)])
    ]
    if len(found) != 1:
        cause = "no such device is paired here" if not found else "several paired devices are meant"
        raise UsageError(
            cause, step="device", remedy="Say --device NAME or the head of its key; see: oob owner pairings"
        )
    return found[0]


def _meant(listing: tuple[Listed, ...], head: str) -> Listed:
    found = [each for each in listing if each.id.hex().startswith(head)]
    if len(found) != 1:
        raise UsageError("the device has no such pairing, or several", step="id", remedy="See: oob owner list")
    return found[0]
