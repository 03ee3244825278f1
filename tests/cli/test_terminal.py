import asyncio
import errno
import io
import json
import signal
import sys

import pytest

from oob.cli import terminal
from oob.cli.terminal import Terminal
from oob.errors import IssuanceError, LinkError, UsageError
from oob.progress import Progress

STEP = Progress("client", "bound", "lamp.home.example")


def test_a_person_sees_steps_aligned_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(machine=False)
    for progress in (STEP, Progress("mallory", "x", "y"), Progress("device", "message_2")):
        terminal.progress(progress)
    terminal.table({"a": "1", "longer": "2"})
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        " client  bound               lamp.home.example",
        "mallory  x                   y",
        " device  message_2",
        "  a       1",
        "  longer  2",
    ]


def test_a_machine_gets_one_object_a_line_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(machine=True)
    terminal.progress(STEP)
    terminal.say("x")
    terminal.show("x")
    terminal.event(STEP)
    terminal.error(IssuanceError("refüsed", step="finalize", remedy="Pair again", problem="urn:x"))
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.isascii()
    assert [json.loads(line) for line in output.out.splitlines()] == [
        {"who": "client", "step": "bound", "detail": "lamp.home.example"},
        {
            "error": {
                "kind": "IssuanceError",
                "step": "finalize",
                "cause": "refüsed",
                "remedy": "Pair again",
                "exit_code": 5,
                "problem": "urn:x",
            }
        },
    ]


def test_a_person_gets_step_cause_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(machine=False)
    terminal.error(LinkError("connection lost", step="link", remedy="Go nearer"))
    terminal.error(UsageError("no"))
    terminal.event(STEP)
    terminal.show("result")
    terminal.result({"not": "shown"})
    output = capsys.readouterr()
    assert output.out == "result\n"
    lines = output.err.splitlines()
    assert lines[:3] == ["Failed  link: connection lost.", "        Go nearer.", "Failed  no."]


@pytest.mark.parametrize("evil", ["\x1b[2J\x1b]0;title\x07", "a\rb", "[red]x[/red]", "\u202eabc"])
def test_what_others_say_does_not_steer_the_terminal(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(machine=False)
    terminal.progress(Progress("client", "message_3", evil))
    terminal.error(LinkError(evil, remedy=evil))
    terminal.say(evil)
    terminal.show(evil)
    output = capsys.readouterr()
    shown = output.err + output.out
    assert not set(shown) & {"\x1b", "\x07", "\r", "\u202e"}
    assert shown.count("[red]") in (0, 5)


def ask(monkeypatch: pytest.MonkeyPatch, stdin: object) -> str:
    monkeypatch.setattr(sys, "stdin", stdin)
    return Terminal(machine=False).ask("Code?")


def test_asks_a_person_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(monkeypatch, io.StringIO(" 1234 5678 \nmore\n")) == "1234 5678"
    assert capsys.readouterr().err == ""
    someone = io.StringIO("x\n")
    someone.isatty = lambda: True  # type: ignore[method-assign]
    assert ask(monkeypatch, someone) == "x"
    assert capsys.readouterr().err == "Code? "


def test_ctrl_c_at_the_question_leaves_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    someone = io.StringIO()
    someone.isatty = lambda: True  # type: ignore[method-assign]
    someone.readline = interrupted  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        ask(monkeypatch, someone)
    assert capsys.readouterr().err == "Code? \n"


def interrupted(size: int) -> str:
    raise KeyboardInterrupt


def test_ctrl_c_at_the_question_ends_it_while_an_event_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def press_ctrl_c(size: int) -> str:
        signal.raise_signal(signal.SIGINT)
        return "an answer"

    async def ask_after_a_tap() -> str:
        return ask(monkeypatch, typed_at)

    typed_at = io.StringIO()
    monkeypatch.setattr(typed_at, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typed_at, "readline", press_ctrl_c, raising=False)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped:
        asyncio.run(ask_after_a_tap())
    assert any(each.name == "press_ctrl_c" for each in stopped.traceback)  # at the question, not after the answer
    assert signal.getsignal(signal.SIGINT) is handler


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, io.StringIO("")) == ""
    assert ask(monkeypatch, None) == ""
    assert len(ask(monkeypatch, io.StringIO("9" * 10**6))) == 4096


def test_an_answer_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not text"):
        ask(monkeypatch, io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_closed_terminal_does_not_stop_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    terminal = Terminal(machine=False)
    terminal.event(STEP)
    terminal.failure("Failed", LinkError("connection lost", step="link", remedy="Go nearer"))


def test_bytes_from_stdin_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x00abc")))
    assert Terminal(machine=True).read(3) == b"\xff\x00a"
    monkeypatch.setattr(sys, "stdin", None)
    assert Terminal(machine=True).read(3) == b""


def test_a_person_gives_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    keyboard = io.StringIO("OOB:ABC\nmore\n")
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert Terminal(machine=False).read(100) == b"OOB:ABC"
    assert "Text of the QR code" in capsys.readouterr().err


def test_a_question_leaves_the_signals_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[object] = []

    class Asked(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
            met.append([signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)])
            return "yes"

    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a job in the background
    try:
        monkeypatch.setattr(sys, "stdin", Asked())
        assert Terminal(machine=False).ask("well?") == "yes"
        assert met == [[signal.SIG_IGN, terminal._terminate]]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, former)
