"""What a pairing costs on the radio, over three ways to carry messages over GATT, on one simulated link.

    python -m tests.bench.radio [--json] [--rounds N] [--figure PATH]

Everything is simulated: bumble's stacks, the link model of `oob.sim.air` at a connection interval of 30 ms, and virtual
time, which counts the radio alone and no computation. The clock starts once the two are connected and the client knows
the services, at `--rounds` different moments between two connection events, and stops when message_4 has come;
"channel" goes on until the two records of the protected channel have come too. Medians are given. The messages are
those of a real run: passcode, both public keys by value, session context and binding.

The same program measures a request of 20 to 2000 bytes and a reply as long, and draws that into `--figure`.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

from oob.binding.records import Proceed, Ready
from oob.pairing import TAG_KEY_LENGTH
from oob.sim.air import LinkModel
from oob.sim.radio import VirtualRadio
from oob.sim.virtual_time import run
from tests.bench.framings import MAX_ATTRIBUTE, Framing, btp, ours, write_then_read
from tests.exchange import Run

INTERVAL: Final = 0.030
FRAMINGS: Final[dict[str, Framing]] = {
    "this library": ours,
    "as Matter, window 6": btp(6),
    "as Matter, window 3": btp(3),
    "as protocomm": write_then_read,
}
LINKS: Final = ((23, 27), (185, 27), (185, 251), (247, 27), (247, 251))
"""ATT MTU and link layer payload, in bytes."""
AIMS: Final = {(23, 27): 600, (247, 251): 200}
"""Milliseconds that a pairing over this library's framing should not exceed."""
DRAWN: Final = ("this library", "as Matter, window 6", "as protocomm")
SIZES: Final = (20, *range(50, MAX_ATTRIBUTE, 50), MAX_ATTRIBUTE, *range(600, 2001, 100))
FIGURE: Final = Path(__file__).parents[2] / "docs" / "figures" / "gatt-framings.svg"
ROOT_LENGTH: Final = 473
"""The bytes of a local authority's root certificate, which the client's first record brings."""

Pairs = Sequence[tuple[bytes, bytes]]


def pairing_messages() -> Pairs:
    """Run a pairing; return request and reply of the handshake, twice, and of the protected channel."""
    pairing = Run.of("passcode")
    message_1 = pairing.message_1()
    message_2 = pairing.message_2(message_1)
    message_3 = pairing.initiator.receive_2(message_2)
    pairing.responder.open(message_3)
    message_4, channel = pairing.responder.confirm(bytes(16), 1_700_000_000, 1_700_000_600)
    proceed = pairing.initiator.receive_4(message_4).channel.seal(Proceed(bytes(ROOT_LENGTH)).encode())
    ready = channel.seal(
        Ready("https://lamp.home.example/", bytes(32), "192.168.178.20:443", bytes(TAG_KEY_LENGTH)).encode()
    )
    return (message_1, message_2), (message_3, message_4), (proceed, ready)


def phases(rounds: int) -> Iterator[float]:
    """Yield moments between two connection events, evenly spread, in seconds after the first."""
    return (INTERVAL * (number + 0.5) / rounds for number in range(rounds))


async def pair(framing: Framing, mtu: int, payload: int, phase: float, pairs: Pairs) -> list[tuple[float, int]]:
    """Exchange the messages on a fresh connection; return milliseconds and ATT PDUs up to each reply."""
    replies, marks = dict(pairs), []
    async with (
        VirtualRadio(model=LinkModel(interval=INTERVAL, payload=payload)) as radio,
        framing(radio, mtu, replies.__getitem__) as ask,
    ):
        carried = radio.att_pdus
        await asyncio.sleep(phase)
        begin = asyncio.get_running_loop().time()
        for request, reply in pairs:
            assert await ask(request) == reply
            marks.append(((asyncio.get_running_loop().time() - begin) * 1000, radio.att_pdus - carried))
    return marks


async def sweep(framing: Framing, mtu: int, payload: int, rounds: int, sizes: Sequence[int]) -> list[float]:
    """Return the milliseconds of a request and a reply of each size, once all is set up."""
    medians, loop = [], asyncio.get_running_loop()
    async with (
        VirtualRadio(model=LinkModel(interval=INTERVAL, payload=payload)) as radio,
        framing(radio, mtu, bytes) as ask,
    ):
        await ask(b"warm")
        for size in sizes:
            samples = []
            for phase in phases(rounds):
                await asyncio.sleep(10 * INTERVAL + phase)  # meanwhile, what is left over is acknowledged
                begin = loop.time()
                assert await ask(bytes(size)) == bytes(size)
                samples.append((loop.time() - begin) * 1000)
            medians.append(round(median(samples), 1))
    return medians


def measure(rounds: int) -> list[dict[str, Any]]:
    """Return a row for each link and framing."""
    pairs, rows = pairing_messages(), []
    for mtu, payload in LINKS:
        first: dict[str, Any] | None = None
        for name, framing in FRAMINGS.items():
            runs = [run(pair(framing, mtu, payload, phase, pairs)) for phase in phases(rounds)]
            row: dict[str, Any] = {"mtu": mtu, "payload": payload, "framing": name}
            for what, step in (("pairing", 1), ("channel", 2)):
                row[f"{what}_ms"] = round(median(marks[step][0] for marks in runs), 1)
                row[f"{what}_pdus"] = round(median(marks[step][1] for marks in runs))
                row[f"{what}_ratio"] = round(row[f"{what}_ms"] / (first or row)[f"{what}_ms"], 1)
            first = first or row
            rows.append(row)
    return rows


def report(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table, and what became of the aims."""
    sizes = [len(message) for pair in pairing_messages() for message in pair]
    yield f"simulated, virtual time: the radio alone, no computation; connection interval {INTERVAL * 1000:g} ms"
    yield f"handshake and binding: {sizes[:4]} = {sum(sizes[:4])} bytes; channel: {sizes[4:]}"
    yield f"{'MTU/LL':8} {'framing':20} {'pairing':>10}  ratio  PDUs {'+ channel':>12}  ratio  PDUs"
    for row in rows:
        link = f"{row['mtu']}/{row['payload']}"
        yield (
            f"{link:8} {row['framing']:20} {row['pairing_ms']:7.0f} ms {row['pairing_ratio']:6.1f} "
            f"{row['pairing_pdus']:5} {row['channel_ms']:9.0f} ms {row['channel_ratio']:6.1f} {row['channel_pdus']:5}"
        )
    for row in rows:
        aim = AIMS.get((row["mtu"], row["payload"]))
        if aim is not None and row["framing"] == "this library":
            verdict = "reached" if row["pairing_ms"] <= aim else "MISSED"
            yield f"aim at MTU/LL {row['mtu']}/{row['payload']}: {aim} ms, {verdict}"


def draw(path: Path, rounds: int) -> None:
    """Draw milliseconds against message size, the same bytes in each run."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "oob", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(7.6, 3.5), sharey=True, layout="constrained")
    for panel, (mtu, payload) in zip(panels, ((23, 27), (247, 251)), strict=True):
        for name, colour, style in zip(DRAWN, ("#0072b2", "#d55e00", "#009e73"), ("-", "--", "-."), strict=True):
            sizes = [size for size in SIZES if name != "as protocomm" or size <= MAX_ATTRIBUTE]
            times = run(sweep(FRAMINGS[name], mtu, payload, rounds, sizes))
            panel.plot(sizes, times, style, color=colour, linewidth=1.8, label=name)
            if sizes[-1] == MAX_ATTRIBUTE:
                panel.plot(sizes[-1:], times[-1:], "|", color=colour, markersize=10, markeredgewidth=1.8)
        panel.set_title(f"ATT MTU {mtu}, link layer payload {payload}", fontsize=9)
        panel.set_xlabel("bytes of the request, and of the reply")
        panel.set_yscale("log")
        panel.set_yticks([50, 100, 200, 500, 1000, 2000, 5000, 10000], minor=False)
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f} ms")
        panel.minorticks_off()
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("request and reply")
    panels[0].text(MAX_ATTRIBUTE + 40, 2300, f"{MAX_ATTRIBUTE} bytes: the longest attribute", fontsize=8)
    panels[1].legend(frameon=False, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, facecolor="white", metadata={"Date": None, "Creator": None})


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=8, help="moments between two connection events (8)")
    parser.add_argument("--figure", type=Path, default=FIGURE, help=f"where to draw ({FIGURE.name} of the docs)")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds)
    print(json.dumps({"simulated": True, "rows": rows}) if arguments.json else "\n".join(report(rows)))
    if find_spec("matplotlib"):
        draw(arguments.figure, arguments.rounds)


if __name__ == "__main__":
    main()
