"""Which offer a model is, and whether what it shows is printed."""

from oob.device.offer import Offer
from oob.device.screen_offers import ButtonOffer, CompareOffer, PasscodeOffer, PrintedPasscodeOffer
from oob.device.tag_offers import DynamicSecretOffer, PinnedOffer, SecretOffer
from oob.errors import UsageError
from oob.pairing import Model

_OFFERS: dict[tuple[Model, bool], type[Offer]] = {
    (Model.PASSCODE, False): PasscodeOffer,
    (Model.PASSCODE, True): PrintedPasscodeOffer,
    (Model.SECRET, True): SecretOffer,
    (Model.SECRET, False): DynamicSecretOffer,
    (Model.COMPARE, False): CompareOffer,
    (Model.BUTTON, False): ButtonOffer,
    (Model.PINNED, True): PinnedOffer,
}
_USUAL = {Model.SECRET: True, Model.PINNED: True}


def offer_kind(model: Model, printed: bool | None) -> type[Offer]:
    """Return the offer for a model: `printed` for what stands on the device, None for the usual. UsageError if none."""
    kind = _OFFERS.get((model, _USUAL.get(model, False) if printed is None else printed))
    if kind is None:
        raise UsageError(f"this device cannot offer the model {model.name.lower()} in this way", step="pairing")
    return kind
