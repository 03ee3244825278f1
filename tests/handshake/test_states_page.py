"""The diagram of docs/spec/states.md, against the table that it is drawn from."""

from docs._ext.states import WIDTH, diagram
from oob.handshake.session import TRANSITIONS, State, Verb
from tests.test_architecture import ROOT


def test_the_diagram_names_every_transition_and_no_other() -> None:
    opening, *lines, closing = diagram().splitlines()
    assert (opening, closing) == ("```text", "```")
    drawn = []
    for column in (slice(None, WIDTH), slice(WIDTH, None)):
        texts = [text for line in lines[2:] if (text := line[column].strip("| ")) not in ("", "v")]
        drawn += list(zip(texts[::2], texts[1::2], texts[2::2], strict=False))
    assert drawn == [(state.value, verb.value, target.value) for (state, verb), target in TRANSITIONS.items()]


def test_the_page_explains_every_verb_and_both_ends() -> None:
    page = (ROOT / "docs" / "spec" / "states.md").read_text()
    assert "{{ states }}" in page
    for name in [*(f"| {verb.value} |" for verb in Verb), f"`{State.COMPLETE.value}`", f"`{State.FAILED.value}`"]:
        assert name in page
