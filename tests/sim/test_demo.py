from pathlib import Path

import pytest

from oob.client import page
from oob.errors import AuthenticationError, UsageError
from oob.framing.gatt import MessageType
from oob.progress import Progress
from oob.sim import demo
from oob.sim.demo import CountedLink, Stopwatch, run
from oob.sim.home import home
from oob.transport.memory import link_pair


def test_a_stopwatch_passes_on_what_it_notes() -> None:
    told: list[Progress] = []
    watch = Stopwatch(told.append)
    for step in ("session", "agreed"):
        watch(Progress("client", step))
    assert [each.step for each in told] == ["session", "agreed"]
    assert 0 <= watch.between("session", "agreed") <= watch.elapsed()


async def test_a_counted_link_counts_answers_of_each_kind() -> None:
    ours, theirs = link_pair()
    link = CountedLink(ours)
    await link.send(MessageType.HANDSHAKE, bytes(10))
    await theirs.receive(1)
    await theirs.send(MessageType.CHANNEL, bytes(20))
    await link.receive(1)
    assert (link.answered[MessageType.HANDSHAKE], link.answered[MessageType.CHANNEL]) == (0, 1)
    assert (link.bytes_sent, link.bytes_received) == (ours.bytes_sent, ours.bytes_received)
    assert link.bytes_received > link.bytes_sent > 10
    await link.close()


async def test_the_peer_key_is_verified_on_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`peer_key_verified` is no constant: the demonstration fails where the check of the key does."""

    def refuse(*_: object) -> None:
        raise AuthenticationError("another certificate", step="page")

    for module in (page, demo):
        with monkeypatch.context() as patched:
            patched.setattr(module, "check_peer", refuse)
            watch = Stopwatch()
            async with home(tmp_path / module.__name__, carrier="memory", report=watch) as running:
                with pytest.raises(AuthenticationError, match="another certificate"):
                    await run(running, watch)


async def test_the_account_key_is_the_issuers_word(tmp_path: Path) -> None:
    watch = Stopwatch()
    async with home(tmp_path, carrier="memory", report=watch) as running:
        result = await run(running, watch)
        certificate = running.device.certificate
        assert certificate is not None
        account = await running.issuer.store.orders.account_key_of(certificate.serial)
        assert account is not None
        assert result["certificate_account_key"] == account.hex() == result["device_key"]


async def test_there_is_no_certificate_before(tmp_path: Path) -> None:
    async with home(tmp_path, carrier="memory") as running:
        with pytest.raises(UsageError):
            await demo._certificate(running)
