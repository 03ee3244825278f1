"""What two ends bring into a run, drawn from a seed; every second run is dealt values that begin or end with zeros.

A value that loses its leading zeros on the way through an integer is wrong once in 256 runs: no ordinary test sees it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Final, TypeVar

from oob.crypto import Algorithm, Curve, EcdhKey, EcdhPublic, SigningKey, cpace_shared
from oob.pairing import Passcode, cpace
from oob.pairing.passcode import channel_identifier

_T = TypeVar("_T")
POOL: Final = 4
"""How many values of each rare kind are searched for beforehand."""


@dataclass(frozen=True)
class Inputs:
    """The keys, secrets and nonces of one run; `scalars` are those of CPace, the client's first."""

    session: SigningKey
    device: SigningKey
    ephemeral_i: EcdhKey
    ephemeral_r: EcdhKey
    passcode: Passcode
    scalars: tuple[bytes, bytes]
    secret: bytes
    challenge: bytes
    root_hash: bytes
    jti: bytes
    c_i: bytes
    c_r: bytes


def signing_key(random: Random) -> SigningKey:
    """Draw an identity key."""
    return SigningKey.generate(Algorithm.ES256, random.randbytes)


def ephemeral_key(random: Random) -> EcdhKey:
    """Draw an ephemeral key."""
    return EcdhKey.generate(Curve.X25519, random.randbytes)


def passcode(random: Random) -> Passcode:
    """Draw a passcode."""
    return Passcode.generate(random.randbytes)


def identifier(random: Random) -> bytes:
    """Draw a connection identifier: of one byte, an integer on the wire or not, or of none or several."""
    return random.randbytes(random.choice((0, 1, 1, 1, 2, 8)))


def drawn(random: Random) -> Inputs:
    """Draw all the values of a run."""
    return Inputs(
        session=signing_key(random),
        device=signing_key(random),
        ephemeral_i=ephemeral_key(random),
        ephemeral_r=ephemeral_key(random),
        passcode=passcode(random),
        scalars=(random.randbytes(32), random.randbytes(32)),
        secret=random.randbytes(random.choice((16, 32))),
        challenge=random.randbytes(32),
        root_hash=random.randbytes(32),
        jti=random.randbytes(16),
        c_i=identifier(random),
        c_r=identifier(random),
    )


def share(inputs: Inputs, scalar: bytes, identity: bytes = b"") -> bytes:
    """Return the CPace share that `scalar` gives in this run."""
    prs, ci = inputs.passcode.digits.encode(), channel_identifier(identity)
    return cpace.public_share(prs, ci, inputs.ephemeral_i.x, scalar)


def cpace_secret(inputs: Inputs) -> bytes:
    """Return K of CPace in this run."""
    return cpace_shared(inputs.scalars[0], share(inputs, inputs.scalars[1]))


def ecdh_secret(inputs: Inputs) -> bytes:
    """Return G_XY of this run."""
    return inputs.ephemeral_i.exchange(EcdhPublic.load(Curve.X25519, inputs.ephemeral_r.x))


def first(value: bytes | None) -> bool:
    """Whether a value begins with a zero byte."""
    return bool(value) and value[0] == 0  # type: ignore[index]


def last(value: bytes) -> bool:
    """Whether a value ends with a zero byte: the leading one of a little-endian number."""
    return value[-1] == 0


def nearly_zero(random: Random, length: int) -> bytes:
    """Return zeros, then one to three random bytes, the last one not zero."""
    count = random.randint(1, 3)
    return bytes(length - count) + random.randbytes(count - 1) + bytes([random.randint(1, 255)])


def search(random: Random, make: Callable[[Random], _T], *wanted: Callable[[_T], bool], count: int = POOL) -> list[_T]:
    """Draw until there are `count` values of each wanted kind."""
    found: list[_T] = []
    for kind in wanted:
        goal = len(found) + count
        while len(found) < goal:
            found += filter(kind, [make(random)])
    return found


class Dealer:
    """Deals the inputs of run after run; the same seed deals the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(f"{seed} pool")
        self._deals = (self._keys, self._ecdh, self._cpace, self._nonces)

    def deal(self, run: int) -> Inputs:
        """Return the inputs of a run; every second one is forced to have zeros, in one of four ways in turn."""
        random = Random(f"{self._seed} {run}")
        inputs = drawn(random)
        return self._deals[run // 2 % len(self._deals)](inputs, random) if run % 2 else inputs

    def _chance(self, purpose: object) -> Random:
        # One for each purpose: what a run is dealt does not depend on the runs before it.
        return Random(f"{self._seed} {purpose}")

    def _keys(self, inputs: Inputs, random: Random) -> Inputs:
        session, device = random.sample(self._identities, 2)
        chosen = random.choice(self._ephemerals)
        if random.random() < 0.5:
            return replace(inputs, session=session, device=device, ephemeral_i=chosen)
        return replace(inputs, session=session, device=device, ephemeral_r=chosen)

    def _ecdh(self, inputs: Inputs, random: Random) -> Inputs:
        ephemeral_i, ephemeral_r = random.choice(self._ecdh_pairs)
        return replace(inputs, ephemeral_i=ephemeral_i, ephemeral_r=ephemeral_r)

    def _cpace(self, inputs: Inputs, random: Random) -> Inputs:
        run = random.choice(self._cpace_runs)
        return replace(inputs, passcode=run.passcode, ephemeral_i=run.ephemeral_i, scalars=run.scalars)

    def _nonces(self, inputs: Inputs, random: Random) -> Inputs:
        return replace(
            inputs,
            passcode=Passcode.from_number(random.choice((0, 1, 9, random.randrange(1000)))),
            scalars=(nearly_zero(random, 32), nearly_zero(random, 32)[::-1]),
            secret=nearly_zero(random, random.choice((16, 32))),
            challenge=nearly_zero(random, random.choice((16, 32, 64))),
            root_hash=nearly_zero(random, 32),
            jti=nearly_zero(random, 16),
            c_i=random.choice((b"", b"\x00", b"\x00\x01")),
            c_r=random.choice((b"", b"\x00", b"\x00\x01")),
        )

    @cached_property
    def _identities(self) -> list[SigningKey]:
        return search(self._chance("identities"), signing_key, lambda key: first(key.x), lambda key: first(key.y))

    @cached_property
    def _ephemerals(self) -> list[EcdhKey]:
        return search(self._chance("ephemerals"), ephemeral_key, lambda key: first(key.x), lambda key: last(key.x))

    @cached_property
    def _ecdh_pairs(self) -> list[tuple[EcdhKey, EcdhKey]]:
        random = self._chance("ecdh")
        own = ephemeral_key(random)
        secrets = (
            lambda key: first(own.exchange(EcdhPublic.load(Curve.X25519, key.x))),
            lambda key: last(own.exchange(EcdhPublic.load(Curve.X25519, key.x))),
        )
        return [(own, key) for key in search(random, ephemeral_key, *secrets)]

    @cached_property
    def _cpace_runs(self) -> list[Inputs]:
        """Runs with a share, or K, that begins or ends with zero; the share may be either end's."""
        random = self._chance("cpace")
        run = drawn(random)
        scalars = search(
            random,
            lambda random: random.randbytes(32),
            lambda scalar: first(share(run, scalar)),
            lambda scalar: last(share(run, scalar)),
            count=1,
        )
        secrets = search(
            random,
            lambda random: replace(run, scalars=(random.randbytes(32), run.scalars[1])),
            lambda other: first(cpace_secret(other)),
            lambda other: last(cpace_secret(other)),
            count=1,
        )
        clients = [replace(run, scalars=(scalar, run.scalars[1])) for scalar in scalars]
        devices = [replace(run, scalars=(run.scalars[0], scalar)) for scalar in scalars]
        return [*clients, *devices, *secrets]
