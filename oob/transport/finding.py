"""What a survey of this machine says, one line a thing that it looked at."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How things stand with what was looked at."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something about it should be known."""
    MISSING = "missing"
    """What needs it does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Nothing in it is secret, no serial number and no address."""

    check: str
    """What was looked at: "d-bus", "hci0"."""
    state: State
    seen: str
    """What was seen, for a person to read."""
    mend: str = ""
    """The command that mends it, or what a person has to do; empty where there is nothing to mend."""


def ok(check: str, seen: str) -> Finding:
    """Return a finding in which all is well."""
    return Finding(check, State.OK, seen)


def warning(check: str, seen: str, mend: str = "") -> Finding:
    """Return a finding about something that works, but."""
    return Finding(check, State.WARNING, seen, mend)


def missing(check: str, seen: str, mend: str = "") -> Finding:
    """Return a finding about something that is not there, or not usable."""
    return Finding(check, State.MISSING, seen, mend)
