"""The diagram of the states of a session, drawn from the table that the code runs on."""

from collections.abc import Iterator
from itertools import zip_longest

from oob.handshake.session import TRANSITIONS, State

WIDTH = 28


def diagram() -> str:
    """Return a MyST code block: both roles side by side, each from its first state to the last one."""
    columns = [["initiator", "", *_path(State.START)], ["responder", "", *_path(State.MESSAGE_1)]]
    lines = [f"{left:{WIDTH}}{right}".rstrip() for left, right in zip_longest(*columns, fillvalue="")]
    return "\n".join(["```text", *lines, "```"])


def _path(state: State) -> Iterator[str]:
    """Name the states that follow on `state`, and between them the verbs; each state has but one way on."""
    yield state.value
    for (source, verb), target in TRANSITIONS.items():
        if source is state:
            yield f"  | {verb.value}"
            yield "  v"
            yield from _path(target)
