"""What a pairing has proven, and what it has not, in words for people."""

from typing import Final

_CLAIMS: Final[dict[tuple[str, bool], str]] = {
    ("pinned", False): "the device is the one that the tag or label names; it does not know who this is",
    (
        "secret-static",
        False,
    ): "both ends know the secret of the tag or label; so does whoever has read or copied it",
    (
        "secret-dynamic",
        True,
    ): "both ends know a secret that the device made for this tap or scan; how far away it is, is not",
    ("passcode", True): "both ends know the code that the device showed",
    ("passcode", False): "both ends know the code that stands on the device, and so does whoever has read it",
    ("compare", True): "a person saw the same number on both screens",
    ("button", True): "somebody pressed a button; which device answered is not",
    ("resumed", False): "both ends have paired before",
}


def explain(strength: str, *, dynamic: bool) -> str:
    """Return what a proof of this strength says, after "proven:"; KeyError for one that is never claimed."""
    return _CLAIMS[strength, dynamic]
