from __future__ import annotations

import errno
import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from r2po.cli import main
from r2po.terminal import OutputLost, console, visible, visible_output

HOSTILE = "a\x1b]0;title\x07\x1b[2Jb\x9b31mc\rd\u202ee"
SHOWN = r"a\x1b]0;title\x07\x1b[2Jb\x9b31mc\x0dd\u202ee"


def test_control_characters_are_shown_and_all_others_stay() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible("line\n\tα – 漢字 ± ✓\n") == "line\n\tα – 漢字 ± ✓\n"  # noqa: RUF001


def test_what_is_printed_is_shown_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    with visible_output():
        print(HOSTILE)
        sys.stderr.write(HOSTILE)
        sys.stdout.writelines([HOSTILE])
    assert capsys.readouterr() == (f"{SHOWN}\n{SHOWN}", SHOWN)


def test_exact_output_is_exact_where_it_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with visible_output(exact=True):
        sys.stdout.write("\x1b")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with visible_output(exact=True):
        sys.stdout.write("\x1b")
    assert capsys.readouterr().out == "\x1b\\x1b"


def test_a_console_shows_texts_in_any_form_and_keeps_its_own_sequences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    table = Table()
    table.add_column("x")
    table.add_row(HOSTILE)
    with visible_output():
        shown = console(width=100, force_terminal=True)
        for each in (HOSTILE, Text(HOSTILE, style="yellow"), table):
            shown.print(each)
    said = capsys.readouterr().out
    assert said.count(r"\x1b]0;title") == 3
    assert "\x1b]" not in said
    assert "\x1b[33m" in said


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_is_full_is_no_error_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    with visible_output(), pytest.raises(OutputLost, match="cannot write the output: No space left on device"):
        print("x")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "logs/x"), "error: logs/x: File name too long"),
        (OSError(errno.EIO, "Input/output error"), "error: Input/output error"),
        (MemoryError("Unable to allocate 9 TiB"), "error: not enough memory: Unable to allocate 9 TiB"),
    ],
)
def test_what_nothing_else_catches_is_one_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("r2po.cli.list.run", fail)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == f"{said}\n"
