"""A flood of message_1 from distinct peers against the table of half-open sessions, in virtual time.

    python -m tests.bench.flood [--json] [--rounds N]

`--rounds` is the number of messages. Each arrives under a token of its own, a thousand a second, at uneven intervals.
In the midst of it honest peers come, one after the other: each tries again every 0.1 to 0.3 s while it is refused, and
takes 0.2 s of radio for each message. A place goes to whoever asks first after its grace, so about (messages a second)
* grace / limit tries are to be expected: how fast one attacker can be is for the carrier to limit, by its links.
"time" is what the device spends on a message of the flood, refused or answered; "peak memory" is what the interpreter
held at most beyond what it held before, in a second run, since the tracing of memory costs time.
"""

import argparse
import json
import tracemalloc
from collections.abc import Hashable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from oob.crypto import EcdhKey
from oob.errors import LinkBusy
from oob.handshake import SUITES, HalfOpen, Session
from tests.pair import C_R, LABELS, Pair, Random

AIR = 0.2


class Flood:
    """One attacker with as many faces as messages at one device, and honest peers unless told otherwise.

    `tries` holds, for each honest peer that paired, how often it asked for a place.
    """

    def __init__(self, messages: int, *, per_second: float = 1000.0, honest: bool = True, **limits: Any) -> None:
        self.messages, self.per_second = messages, per_second
        self.table = HalfOpen(**limits)
        self.admitted = self.refused = self.peak_sessions = self.peak_charged = 0
        self.tries: list[int] = []
        self._random = Random("flood")
        self._attacker = Pair(seed="flood")
        self._message_1 = self._attacker.start()
        self._honest = self._visits() if honest else iter(())

    def run(self) -> None:
        """Deliver all of it; the honest peer acts when its time has come."""
        wake = next(self._honest, float("inf"))
        for number in range(self.messages):
            # Uneven, or each message would come in the very moment in which a place that an earlier one took is free.
            now = (number + number * number * 0.618034 % 1.0) / self.per_second
            while wake <= now:
                wake = next(self._honest, float("inf"))
            self._arrive(number, now)
            self.peak_sessions = max(self.peak_sessions, len(self.table))
            self.peak_charged = max(self.peak_charged, self.table.charged)

    def _arrive(self, peer: int, now: float) -> None:
        """Do what a device does with a message_1, up to message_2."""
        session = Session.responder(self._attacker.identity_r, labels=LABELS)
        if not self._admit(peer, session, self._message_1, now):
            self.refused += 1
            return
        self.admitted += 1
        session.receive(self._message_1)
        session.engage(EcdhKey.generate(SUITES[6].curve, self._random), C_R)
        session.reply()
        session.messages_to_send()

    def _admit(self, peer: Hashable, session: Session, message_1: bytes, now: float) -> bool:
        try:
            self.table.admit(peer, session, len(message_1), now)
        except LinkBusy:
            return False
        return True

    def _visits(self) -> Iterator[float]:
        """Yield when an honest peer acts next; it does so when it is asked to go on."""
        now = self.messages / self.per_second / 10
        yield now
        while True:
            pair, tries = Pair(seed=f"honest {now}"), 1
            message_1 = pair.start()
            while not self._admit("honest", pair.responder, message_1, now):
                yield (now := now + self._pause())
                tries += 1
            pair.responder.receive(message_1)
            pair.engage()
            message_2 = pair.reply(pair.responder)
            yield (now := now + AIR)
            pair.initiator.receive(message_2)
            pair.initiator.accept(pair.identity_r.credential)
            message_3 = pair.reply(pair.initiator)
            yield (now := now + AIR)
            self._close(pair, message_3, now)
            self.tries.append(tries)
            yield (now := now + self._pause())

    def _close(self, pair: Pair, message_3: bytes, now: float) -> None:
        session = self.table.find("honest", now)
        session.receive(message_3)
        session.accept(pair.identity_i.credential)
        self.table.remove("honest")
        pair.initiator.receive(pair.reply(session))
        assert pair.initiator.exporter() == session.exporter()

    def _pause(self) -> float:
        return 0.1 + 0.2 * self._random(1)[0] / 256


def measure(messages: int) -> dict[str, float]:
    """Return time, memory, and what became of the honest peer."""
    timed, traced = Flood(messages, honest=False), Flood(messages)
    begin = perf_counter()
    timed.run()
    seconds = perf_counter() - begin
    tracemalloc.start()
    traced.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "messages": messages,
        "answered": timed.admitted,
        "time per message, µs": round(seconds / messages * 1e6, 2),
        "sessions at most": traced.peak_sessions,
        "charged at most, KiB": round(traced.peak_charged / 1024, 1),
        "peak memory, KiB": round(peak / 1024, 1),
        "honest peers that paired": len(traced.tries),
        "tries, median": median(traced.tries or [0]),
        "tries, most": max(traced.tries, default=0),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=100_000, help="messages of the flood (100,000)")
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:26} {value:10,}")


if __name__ == "__main__":
    main()
