"""`oob tag`: read a static tag, write bootstrap data to one, erase it, or lock it."""

import argparse
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from oob.cli.terminal import ASK_CODE, Terminal
from oob.errors import LinkLost, LinkTimeout, PeerError, UsageError
from oob.framing import ndef, tnep
from oob.pairing import Bootstrap
from oob.pairing.bootstrap import PREFIX
from oob.pairing.tag_content import TagContent, is_empty, is_foreign
from oob.transport.ndef_tag import NdefTag, open_tag
from oob.transport.nfc_profile import SERVICE
from oob.transport.readers import open_reader

_WITH_K = (
    "whoever reads or copies this tag has its secret, for as long as the device takes it: it proves that somebody held"
    " the tag, not that the device is near, nor that nobody else has read it"
)
_WITHOUT_K = (
    "it names the device's key and holds no secret to pair by: it proves nothing about who reads it, and anyone can"
    " copy it, and know the device nearby by a tag key in it"
)
_UNCHANGED = "It is unchanged: do it again"
_STICKER = "Hold a sticker to the reader; if this is one, with a copy of what a device shows, say --force"
_FORCE = "Look at it with `oob tag read`; say --force if it may be lost"


async def read(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show what is on a tag. PeerError for what cannot be read."""
    async with _tapped(args, terminal) as tag:
        message = await _read(tag)
    size = _describe_size(tag, message)
    terminal.show(_size_line(size))
    found = {**_describe_message(message), **_describe(_content(message), show_secret=args.show_secret)}
    terminal.result({**size, **found})
    for label, text in _lines(found):
        terminal.show(f"{label:8}  {text}")
    return 0


def write(args: argparse.Namespace, terminal: Terminal) -> Coroutine[Any, Any, int]:
    """Ask for the bootstrap data, and return what remains to be done."""
    text = terminal.ask(ASK_CODE)
    if not text:
        remedy = 'Pipe it to stdin: it starts with "OOB:"'
        raise UsageError("no pairing code was given", step="bootstrap", remedy=remedy)
    if not text.startswith(PREFIX):
        raise UsageError("this is no pairing code", step="bootstrap", remedy=f'It starts with "{PREFIX}"')
    bootstrap = Bootstrap.from_text(text)
    if bootstrap.dynamic:
        cause, remedy = "this secret was made for one tap; a tag would keep it for ever", "Use the text of the label"
        raise UsageError(cause, step="bootstrap", remedy=remedy)
    return _write(args, terminal, TagContent(args.url, bootstrap, args.app))


async def _write(args: argparse.Namespace, terminal: Terminal, content: TagContent) -> int:
    message = content.encode()
    async with _tapped(args, terminal) as tag:
        present = await _require_ours(tag, force=args.force)
        if not (args.lock and present == message):  # else all that is left may be to lock it, and no more is possible
            with _named("It may be empty now: do it again, and hold it to the reader until it is done"):
                await tag.store(message)
        if args.lock:
            await _lock(tag)
    size = _describe_size(tag, message, locked=args.lock)
    proves = _proves(content.bootstrap)
    terminal.result({**size, "proves": proves})
    terminal.show(f"Written{' and locked' if args.lock else ''}. {_size_line(size)}")
    terminal.say(f"What it proves: {proves}.")
    return 0


async def erase(args: argparse.Namespace, terminal: Terminal) -> int:
    """Leave an empty tag."""
    async with _tapped(args, terminal) as tag:
        await _require_ours(tag, force=args.force)
        with _named("It may be empty now, or not: do it again, and hold it to the reader until it is done"):
            await tag.store(b"")
    size = _describe_size(tag, b"")
    terminal.result(size)
    terminal.show(f"Erased. {_size_line(size)}")
    return 0


async def lock(args: argparse.Namespace, terminal: Terminal) -> int:
    """Make a tag read-only, for ever. UsageError where nobody says that this is meant."""
    if not args.yes:
        cause, remedy = "a locked tag stays as it is for ever", "Say --yes if that is meant"
        raise UsageError(cause, step="lock", remedy=remedy)
    async with _tapped(args, terminal) as tag:
        message = await _require_ours(tag, force=args.force)
        if is_empty(message) and not args.force:
            raise UsageError("the tag is empty", step="lock", remedy="Write it first, or say --force")
        await _lock(tag)
    size = _describe_size(tag, message, locked=True)
    terminal.result(size)
    terminal.show(f"Locked. {_size_line(size)}")
    return 0


@asynccontextmanager
async def _tapped(args: argparse.Namespace, terminal: Terminal) -> AsyncIterator[NdefTag]:
    """Give the tag that is held to the reader."""
    reader = open_reader(args.reader)
    try:
        terminal.say(f"Hold the tag to the reader ({reader.name}).")
        tag = await reader.tap(args.timeout)
        try:
            with _named(_UNCHANGED):
                opened = await open_tag(tag)
            yield opened
        finally:
            await tag.close()
    finally:
        await reader.close()


@contextmanager
def _named(remedy: str) -> Iterator[None]:
    """Say what became of a tag that went away meanwhile."""
    try:
        yield
    except (LinkLost, LinkTimeout) as error:
        raise type(error)(error.cause, step=error.step, remedy=remedy) from error


async def _read(tag: NdefTag) -> bytes:
    with _named(_UNCHANGED):
        return await tag.read()


async def _require_ours(tag: NdefTag, *, force: bool) -> bytes:
    """Return what is on the tag. UsageError for a device's own, or for what must not be lost, unless `force`."""
    try:
        message = await _read(tag)
    except PeerError as error:
        if not force:
            raise UsageError(f"the tag holds what cannot be read: {error.cause}", step="tag", remedy=_FORCE) from error
        return b""
    if _is_device(message) and not force:
        raise UsageError("this looks like a device's own tag, which keeps nothing", step="tag", remedy=_STICKER)
    if is_foreign(message) and not force:
        raise UsageError(f"the tag holds {len(message)} bytes of somebody else's", step="tag", remedy=_FORCE)
    return message


async def _lock(tag: NdefTag) -> None:
    with _named("It may be locked in part: do it again, and hold it to the reader until it is done"):
        await tag.lock()


def _describe_size(tag: NdefTag, message: bytes, *, locked: bool = False) -> dict[str, Any]:
    return {
        "type": tag.type.value,
        "capacity": tag.capacity,
        "used": len(message),
        "left": tag.capacity - len(message),
        "writable": tag.is_writable and not locked,
    }


def _size_line(size: dict[str, Any]) -> str:
    access = "" if size["writable"] else "; read-only"
    return f"Type {size['type']} tag: {size['used']} of {size['capacity']} bytes used, {size['left']} left{access}"


def _describe_message(message: bytes) -> dict[str, Any]:
    """Return what is said of a message, whoever wrote it. PeerError for what is none."""
    records = ndef.decode(message)
    return {"content": _content_of(message), "records": len(records), "services": list(_services(records))}


def _content_of(message: bytes) -> str:
    """Return what JSON calls what is on a tag. PeerError for what is no NDEF message."""
    if is_empty(message) or not is_foreign(message):
        return "empty" if is_empty(message) else "bootstrap"
    return "device" if _is_device(message) else "foreign"


def _is_device(message: bytes) -> bool:
    """Return whether this is from a device's own tag, through which it can be paired with."""
    with suppress(PeerError):
        return not is_empty(message) and SERVICE.name in _services(ndef.decode(message))
    return False


def _services(records: tuple[ndef.Record, ...]) -> Iterator[str]:
    for each in records:
        if each.tnf is ndef.Tnf.WELL_KNOWN and each.type == b"Tp":
            with suppress(PeerError):  # another version of TNEP is no fault of the tag
                yield tnep.Service.from_record(each).name


def _content(message: bytes) -> TagContent:
    """Return what is on the tag. PeerError where it is ours and malformed; what others wrote need not be as ours is."""
    try:
        return TagContent.decode(message)
    except PeerError:
        if is_foreign(message):
            return TagContent()
        raise


def _describe(content: TagContent, *, show_secret: bool) -> dict[str, Any]:
    """Return what JSON says of it: the secret only where it is asked for."""
    described: dict[str, Any] = {"url": content.url, "app": content.app}
    bootstrap = content.bootstrap
    if bootstrap is None:
        return described
    described |= {
        "name": bootstrap.name,
        "models": [model.name.lower() for model in bootstrap.models],
        "device": bootstrap.cred_r_hash.hex(),
        "has_secret": bootstrap.secret is not None,
        "dynamic": bootstrap.dynamic,
        "hints": list(bootstrap.hints),
        "proves": _proves(bootstrap),
    }
    return described | ({"code": bootstrap.to_text()} if show_secret else {})


def _proves(bootstrap: Bootstrap | None) -> str:
    return _WITH_K if bootstrap is not None and bootstrap.secret is not None else _WITHOUT_K


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a person is shown, as label and text."""
    others = f"somebody else's, without bootstrap data (NDEF records: {found['records']})"
    contents = {
        "empty": "none: the tag is empty",
        "device": "a device's own tag: pair with it by `oob pair --nfc`",
        "foreign": others,
    }
    if found["content"] in contents:
        yield "content", contents[found["content"]]
    texts = {
        "url": found["url"] and f"{found['url']} (not opened)",
        "product": found.get("name", ""),
        "models": ", ".join(found.get("models", ())),
        "secret": {True: "there (--show-secret shows it)", False: "none"}.get(found.get("has_secret", ""), ""),
        "made": "for this tap, it says" if found.get("dynamic") else "",
        "hints": ", ".join(found.get("hints", ())),
        "app": found["app"],
        "service": ", ".join(found["services"]),
        "code": found.get("code", ""),
        "proves": found.get("proves", ""),
    }
    yield from ((label, text) for label, text in texts.items() if text)
