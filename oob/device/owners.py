"""What an owner asks of its device, done: the state changes, durable before the answer leaves."""

from dataclasses import dataclass, replace

from oob.binding.management import MAX_LABEL, Done, Invite, List, Listed, Listing, Remove, Rename, Request
from oob.device.offer import Offer
from oob.device.state import DeviceStore, Paired
from oob.errors import AuthenticationError, UsageError


@dataclass(frozen=True, slots=True)
class Owners:
    """The pairings of a device, for whoever is one of them."""

    store: DeviceStore
    offer: Offer

    def obey(self, request: Request, asking: bytes) -> Done | Listing:
        """Do what the pairing with the id `asking` asks for. Raises UsageError, StorageError; then nothing changed."""
        match request:
            case List():
                return self.listing(asking)
            case Rename(id, label):
                self._require(id)
                self.store.update(pairings=tuple([_renamed(each, id, label) for each in self.store.state.pairings]))
            case Remove(id):
                self.remove(id)
            case Invite():
                self.offer.press()
            case _:
                raise UsageError("the device does not do this", step="channel")
        return Done()

    def listing(self, asking: bytes) -> Listing:
        """Return all pairings, oldest first."""
        pairings = self.store.state.pairings
        return Listing(tuple([Listed(p.id, p.label, p.model, p.strength, p.id == asking) for p in pairings]))

    def remove(self, id: bytes) -> None:
        """End a pairing, and with it the certificate that was got for it. UsageError if there is none with this id.

        The other owners have to get one of their own: the binding of this one is its client's to withdraw.
        """
        self._require(id)
        state = self.store.state
        left = tuple([each for each in state.pairings if each.id != id])
        gone = not left or (state.owner is not None and state.owner.id == id)
        self.store.update(pairings=left, **({"owner": None, "certificate": None} if gone else {}))

    def has(self, id: bytes) -> bool:
        """Whether there is a pairing with this id."""
        return any(each.id == id for each in self.store.state.pairings)

    def require(self, id: bytes) -> None:
        """Raise AuthenticationError unless the pairing with this id is in force."""
        if not self.has(id):
            raise AuthenticationError("the pairing has ended", step="channel", remedy="Pair with the device anew")

    def _require(self, id: bytes) -> None:
        if not self.has(id):
            raise UsageError("the device has no such pairing", step="channel", remedy="List its pairings")


def label_of(origin: str) -> str:
    """Return what a new pairing is called until an owner renames it: its web origin, cut to 64 bytes, "" for an app."""
    shown = "".join(each for each in origin if each.isprintable())
    return shown.encode()[:MAX_LABEL].decode(errors="ignore")


def _renamed(paired: Paired, id: bytes, label: str) -> Paired:
    return replace(paired, label=label) if paired.id == id else paired
