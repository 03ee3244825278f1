"""What the runtimes tell while they work: one value a step, for a screen, a log or a test."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that was just done, or one that begins and may take a while: "scanning", "connecting", "retrying".

    `who` is "client", "device" or "issuer"; nothing in it is secret.
    """

    who: str
    step: str
    detail: str = ""


Report = Callable[[Progress], None]
"""Takes progress; it must not raise and not wait."""


def silent(_: Progress) -> None:
    """Report to nobody."""
