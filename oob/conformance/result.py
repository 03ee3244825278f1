"""What a vector says of the library, and the raw material of a vector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from oob.errors import OobError, UsageError


class Outcome(Enum):
    """What became of a vector."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a report: `detail` says what was compared, what went wrong, or why the vector is not for us.

    `passed` is False for a failure alone; a vector that is not applicable counts neither way.
    """

    name: str
    passed: bool
    detail: str
    applicable: bool = True

    @property
    def outcome(self) -> Outcome:
        """The verdict as one word."""
        if not self.applicable:
            return Outcome.NOT_APPLICABLE
        return Outcome.PASSED if self.passed else Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Vector:
    """A named vector; `run` returns what was compared and raises when something differs."""

    name: str
    run: Callable[[], str]

    def judge(self) -> Result:
        """Run it; whatever it raises is its failure."""
        try:
            return Result(self.name, True, self.run())
        except NotApplicable as reason:
            return Result(self.name, True, str(reason), applicable=False)
        except OobError as error:
            return Result(self.name, False, str(error))
        except Exception as error:  # a damaged vector may do anything to the code; that is what the line reports
            return Result(self.name, False, f"{type(error).__name__}: {error}")


class NotApplicable(Exception):
    """The vector is for something that this library does not implement."""


class Mismatch(Exception):
    """The library gives something else than the vector."""


def same(what: str, ours: object, theirs: object) -> None:
    """Compare; Mismatch names `what` and shows the beginning of both."""
    if ours != theirs:
        raise Mismatch(f"{what} differs: {_show(ours)} here, {_show(theirs)} in the vector")


def hex_field(vector: Mapping[str, Any], name: str, where: str) -> bytes:
    """Return the bytes of a hexadecimal field; UsageError if it is missing or cut off."""
    value = vector.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{where} lacks the field {name!r}", step="vectors")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise UsageError(f"{where}: the field {name!r} is not whole bytes in hexadecimal", step="vectors") from error


def _show(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
