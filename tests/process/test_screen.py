"""What a run shows: plain lines in a pipe, a live view on a terminal, nothing with ``--quiet``."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.llm.fake_ollama import FakeOllama, Handler, stall
from tests.process.processes import (
    CARTPOLE,
    MAIN,
    NIM,
    environ,
    player,
    run_main,
    stall_after,
    start,
    wait_until,
    write_config,
)

HEAVY = ("numpy", "matplotlib", "pydantic", "gymnasium", "requests", "rich", "yaml", "jinja2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path, CARTPOLE)
    return tmp_path


def test_in_a_pipe_it_prints_plain_lines_and_a_closing_summary(folder: Path) -> None:
    with FakeOllama(player) as server:
        done = run_main(folder, server=server, FORCE_COLOR="1", TERM="xterm-256color")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    lines = done.stdout.splitlines()
    for iteration in range(1, 5):
        row = next(line for line in lines if line.startswith(f"iteration {iteration}/4 "))
        for name in ("proposal", "revision", "kept", "best", "calls", "tokens", "episodes", "elapsed", "left"):
            assert f" {name} " in row
    result = json.loads((folder / "logs/run_1/result.json").read_text())
    summary = " ".join(done.stdout[done.stdout.rindex("\n\n") :].split())
    assert f"best {result['best_reward']:.6g} in iteration {result['best_iteration']}" in summary
    assert f"held-out {result['heldout_reward']:.6g} ± {result['heldout_std']:.4g} over 3 fresh episodes" in summary
    assert f"mean {result['mean_reward']:.6g}" in summary
    assert f"final {result['final_reward']:.6g}" in summary
    assert f"{result['llm_calls']} (0 unusable replies, 0 failed attempts)" in summary
    assert f"episodes {result['episodes']} ({result['steps']} steps)" in summary
    assert "logs/run_1" in summary


def test_quiet_prints_nothing(folder: Path) -> None:
    with FakeOllama(player) as server:
        done = run_main(folder, "--quiet", server=server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Terminal:
    """A process on a pseudo-terminal of a given size."""

    def __init__(self, folder: Path, server: FakeOllama, *options: str, columns: int = 80) -> None:
        self.output = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.settings = termios.tcgetattr(slave)
        self.process = start(
            folder,
            [sys.executable, str(MAIN), "--config", str(folder / "config.yaml"), *options],
            environ(server, TERM="xterm-256color", NO_COLOR="1"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        self._slave = slave
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.output += data

    def end(self) -> tuple[int, str]:
        """Wait for the process; the terminal must be as it was, its cursor visible."""
        code = self.process.wait(timeout=120)
        assert termios.tcgetattr(self._slave) == self.settings
        os.close(self._slave)
        self._reader.join()
        os.close(self.master)
        text = self.output.decode()
        assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0
        return code, text


def plain(text: str, *, keep_returns: bool = False) -> str:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return text if keep_returns else text.replace("\r", "")


def test_a_narrow_terminal_shows_fewer_columns(folder: Path) -> None:
    with FakeOllama(player) as server:
        code, text = Terminal(folder, server, columns=56).end()
    assert code == 0, text
    assert re.search(r"iteration +proposal +revision +kept +best *\n", plain(text))
    assert "…" not in plain(text)


def test_on_a_terminal_a_live_view_ends_with_the_summary(folder: Path) -> None:
    with FakeOllama(player) as server:
        code, text = Terminal(folder, server).end()
    assert code == 0, text
    shown = plain(text)
    assert re.search(r"iteration +proposal +revision +kept +best +calls +tokens +episodes", shown)
    assert "4/4" in shown
    assert "asking the model" in shown or "revision" in shown
    assert shown.index("held-out") > shown.rindex("4/4")
    # The summary is printed once, below, and nothing on the screen is wider than it.
    assert shown.count("held-out") == 1
    assert max(map(len, re.split(r"[\r\n]+", plain(text, keep_returns=True)))) <= 80


ROUNDS = {
    "method": "promptpo",
    "gym_env_name": "CartPole-v1",
    "llm_model_name": "embedded/code",  # some of its programs need a repair, in other rounds others
    "logdir": "logs",
    "seed": 1,
    "candidates": 3,
    "num_iterations": 5,
    "num_evaluation_episodes": 5,
    "heldout_episodes": 0,
    "reevaluation_episodes": 0,
    "repairs": 3,
}


@pytest.mark.parametrize("columns", [pytest.param(80, marks=pytest.mark.slow), 56])
@pytest.mark.sampled(3)
def test_rounds_of_programs_take_a_row_each_whatever_was_repaired(columns: int, tmp_path: Path) -> None:
    write_config(tmp_path, ROUNDS)
    with FakeOllama(player) as server:
        code, text = Terminal(tmp_path, server, columns=columns).end()
    assert code == 0, text
    records = [json.loads(line) for line in (tmp_path / "logs/run_1/iterations.jsonl").read_text().splitlines()]
    stages = [{each["stage"] for each in record["candidates"]} for record in records]
    assert any(later - earlier for earlier, later in pairwise(stages))
    table = plain(text)[plain(text).rindex("iteration  ") :].split("\n\n")[0].split("\n")
    assert table[0].split()[:5] == ["iteration", "tried", "failed", "kept", "best"]
    for record, row in zip(records, table[1:], strict=False):
        failed = sum("failure" in each for each in record["candidates"])
        assert row.split()[:3] == [str(record["iteration"]), str(len(record["candidates"])), str(failed)]
        assert [float(cell) for cell in row.split()[3:5]] == pytest.approx([record["reward"], record["best_reward"]])
    assert all("…" not in row for row in table[: len(records) + 1])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.sampled(2)
def test_a_stop_leaves_the_terminal_as_it_was_and_a_resume_shows_the_count(
    folder: Path, number: signal.Signals, code: int
) -> None:
    with FakeOllama(player) as server:
        stall_after(server, answers=2)
        terminal = Terminal(folder, server)
        wait_until(lambda: len(server.chats) == 3, terminal.process)
        terminal.process.send_signal(number)
        stopped, text = terminal.end()
        assert stopped == code
        assert "\nstopped; to continue: python " in plain(text)
    with FakeOllama(player) as server:
        code, text = Terminal(folder, server, "--resume").end()
    assert code == 0
    assert "resumed after iteration 1 of 4" in plain(text)


def test_text_that_looks_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "logdir": "logs[bold]/[/x]"})
    with FakeOllama(player) as server:
        code, text = Terminal(tmp_path, server, columns=200).end()
    assert code == 0, text
    assert "logs[bold]/[/x]/run_1" in plain(text)


@pytest.mark.parametrize(
    "command", [[str(MAIN), "--help"], ["-m", "r2po", "--help"], ["-m", "r2po", "watch", "--help"]]
)
def test_help_loads_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=tmp_path,
        env=environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "argparse" in loaded
    assert not loaded & set(HEAVY)
    assert "usage:" in done.stdout


def test_a_reader_that_leaves_early_gets_no_traceback(folder: Path) -> None:
    write_config(folder, {**CARTPOLE, "llm_model_name": "embedded/search"})
    process = start(
        folder, ["bash", "-c", f"{sys.executable} {MAIN} --config config.yaml --dry-run | head -1"], environ()
    )
    out, err = process.communicate(timeout=120)
    assert out == "===== resolved config =====\n"
    assert err == ""


def test_the_live_view_shows_that_a_reply_arrives(folder: Path) -> None:
    def write(handler: Handler) -> None:
        handler.close_connection = True
        line = {"message": {"role": "assistant", "content": "because "}, "done": False}

        def on_and_on() -> Iterator[bytes]:
            while not handler.server.fake.closing.wait(0.02):
                yield json.dumps(line).encode() + b"\n"

        with suppress(OSError):
            handler.send_pieces(on_and_on(), ends=False)

    with FakeOllama(player) as server:
        server.always(write)
        terminal = Terminal(folder, server)
        arriving = re.compile(rb"asking the model \(search\), \d+ s, [\d.k]+ characters, \d+/s")
        wait_until(lambda: bool(arriving.search(terminal.output)), terminal.process)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end()[0] == 130


def test_a_stalled_server_is_named_while_it_is_asked(folder: Path) -> None:
    with FakeOllama(player) as server:
        server.always(stall())
        terminal = Terminal(folder, server)
        wait_until(lambda: b"asking the model (search)" in terminal.output, terminal.process)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end()[0] == 130
