"""`oob device`: be a device, on this machine, over Bluetooth LE, NFC and the local network."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

from oob.cli.arguments import parse_address
from oob.cli.keyboard import Keyboard
from oob.cli.terminal import Terminal
from oob.device import Device
from oob.device.tag_offers import DynamicSecretOffer
from oob.errors import AuthenticationError, OobError, UsageError
from oob.pairing import Model, Passcode
from oob.pairing.tag_content import TagContent
from oob.progress import Progress
from oob.sim.page import DemoPage
from oob.storage import exclusive, private_directory
from oob.transport.bluez_peripheral import bluez_listener
from oob.transport.link import Listener
from oob.transport.peripheral import Peripheral
from oob.transport.readers import open_emulator
from oob.transport.socket import SocketListener
from oob.transport.stacks import together
from oob.transport.tcp import local_address, tcp_listener
from oob.transport.tnep_stack import nfc_listener


async def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Offer pairing until stopped, on this machine or over the carriers that were named."""
    _check(args)
    if args.socket is not None:
        how = f"oob pair --socket {args.socket} --issuer URL --root FILE"
        return await offer(args, terminal, lambda device: SocketListener(args.socket), how)
    simulated = f"--reader {args.reader} " if (args.reader or "").startswith("udp:") else ""  # is the client's, too
    how = f"oob pair {'' if args.ble else f'--nfc {simulated}' if args.nfc else '--qr FILE '}--issuer URL --root FILE"
    return await offer(args, terminal, lambda device: _listen(args, terminal, device), how)


def _check(args: argparse.Namespace) -> None:
    """Raise UsageError for what does not go together."""
    is_tapped_for_a_secret = args.nfc and args.model == "secret"
    for value, needed, cause, remedy in (
        (args.adapter, args.ble, "an adapter is for Bluetooth LE", "Say --ble, too"),
        (args.reader, args.nfc, "a reader is for NFC", "Say --nfc, too"),
        (args.url, args.nfc, "a URL is for NFC", "Say --nfc, too"),
        (args.fresh, is_tapped_for_a_secret, "a secret is made for taps alone", "Say --nfc and --model secret, too"),
    ):
        if value and not needed:
            raise UsageError(cause, step="listen", remedy=remedy)
    radio = args.ble or args.nfc or args.tcp is not None
    if (args.socket is not None) == radio:
        remedy = "Say --socket PATH alone, or any of --ble, --nfc and --tcp HOST:PORT"
        raise UsageError("nothing says how the device is reached", step="listen", remedy=remedy)


def _listen(args: argparse.Namespace, terminal: Terminal, device: Device) -> Listener:
    """Return one listener for all carriers that were named."""
    first, *more = _listeners(args, terminal, device)
    return together(first, *more) if more else first


def _listeners(args: argparse.Namespace, terminal: Terminal, device: Device) -> Iterator[Peripheral]:
    if args.ble:
        yield bluez_listener(args.adapter, report=terminal.event)
    if args.nfc:
        TagContent(args.url).encode()  # raises already here
        yield nfc_listener(open_emulator(args.reader), lambda: device.tapped(args.url), report=terminal.event)
    if args.tcp is not None:
        host, port = parse_address(args.tcp)
        if local_address(args.tcp) is not None:
            device.offer.hints = (args.tcp,)
        else:
            terminal.say("No code or tag will tell this address: that takes one of this machine, and a port.")
        yield tcp_listener(host, port)


async def offer(
    args: argparse.Namespace, terminal: Terminal, listen: Callable[[Device], Listener], how_to_pair: str
) -> int:
    """Offer pairing at a listener that is yet to be started; tell a person `how_to_pair`."""
    host, port = parse_address(args.listen)
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(args.state))  # two devices on one state would double the guesses at a code
        page = DemoPage(args.name, private_directory(args.state), host=host, port=port)
        stack.push_async_callback(page.close)
        keyboard = Keyboard(terminal)
        device = _device(args, page, keyboard, terminal)
        listener = listen(device)
        stack.push_async_callback(listener.close)
        await listener.start()
        if args.press:
            device.offer.press()
        _show_offer(device, terminal)
        terminal.say(f"Pair:  {how_to_pair}")
        if keyboard.is_there:
            terminal.say("Enter presses its button, Ctrl-C stops.")
        stack.enter_context(keyboard.listening(lambda: _press(device, terminal)))
        await device.serve(listener)
    return 0


def _device(args: argparse.Namespace, page: DemoPage, keyboard: Keyboard, terminal: Terminal) -> Device:
    model = Model[args.model.upper()]
    if model is Model.COMPARE and not keyboard.is_there:
        raise UsageError("somebody must compare the numbers", step="compare", remedy="Run it in a terminal")
    return Device(
        args.name,
        args.state,
        page,
        model=model,
        printed=True if args.printed else False if args.fresh else None,
        confirm=lambda number, who: keyboard.confirm(f"{number}: does the client show this number, too? ({who})"),
        issuers=args.allow_issuer,
        report=terminal.event,
    )


def _show_offer(device: Device, terminal: Terminal) -> None:
    """Show what a person has to carry: this terminal is the device's screen."""
    by_tap = isinstance(device.offer, DynamicSecretOffer)  # which is armed by the tap itself
    try:
        device.offer.require_open() if by_tap else device.offer.require_armed()
    except AuthenticationError as error:
        terminal.say(f"Not pairing: {error.cause}. Press Enter here, or start with --press, to pair anew.")
        return
    if by_tap:
        terminal.say("Tap it: each tap carries a secret of its own.")
        return
    if device.offer.model in (Model.COMPARE, Model.BUTTON):
        terminal.say("Armed: pair now.")
        return
    carried = device.offer.out_of_band()
    if isinstance(carried, Passcode):
        terminal.show(f"Passcode: {carried.display()}")
        terminal.result({"who": "device", "step": "passcode", "detail": carried.digits})
    else:
        terminal.show(f"QR code: {carried.to_text()}")
        terminal.result({"who": "device", "step": "bootstrap", "detail": carried.to_text()})


def _press(device: Device, terminal: Terminal) -> None:
    try:
        device.offer.press()
    except OobError as error:  # such as a full disk: the device goes on as it was
        terminal.event(Progress("device", "not pressed", str(error)))
        return
    terminal.event(Progress("device", "pressed"))
    _show_offer(device, terminal)
