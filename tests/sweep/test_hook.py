"""A hook learns what happened, gets no key, is no way into the shell, and never stops a sweep."""

from __future__ import annotations

import argparse
import os
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from r2po.cli import main
from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue
from r2po.sweep.endings import stopped
from r2po.sweep.hook import LONGEST_MESSAGE, Hook
from r2po.sweep.messages import Ended, Verdict
from r2po.sweep.plan import SweepRequest
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.process.processes import NIM, write_config

KEY = "marker-key-8q1f-0123456789"
WRITE = """printf '%s|%s|%s\\n' "$R2PO_EVENT" "$R2PO_SWEEP" "$R2PO_MESSAGE" >> told"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return []


def run(
    command: str,
    notes: list[str],
    message: str = "a message",
    limit_s: float = 30.0,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> None:
    hook = Hook(command, Path("logs/one"), environ, notes.append, limit_s)
    with hook:
        hook.tell("failed", message)


def test_it_learns_what_happened(tmp_path: Path, notes: list[str]) -> None:
    run(WRITE, notes)
    assert (tmp_path / "told").read_text() == f"failed|{tmp_path}/logs/one|a message\n"
    assert notes == []


@pytest.mark.parametrize(
    "message",
    ["$(touch in)", "`touch in`", '"; touch in; "', "'; touch in; '", "a\n touch in\n", "nul\0 touch in", "\udcff"],
)
def test_a_message_is_never_code(message: str, tmp_path: Path, notes: list[str]) -> None:
    run(WRITE, notes, message)
    assert not (tmp_path / "in").exists()
    told = message.replace("\0", "").encode("utf-8", "replace").decode()
    assert (tmp_path / "told").read_text().partition("one|")[2] == f"{told}\n"


def test_a_long_message_is_cut(tmp_path: Path, notes: list[str]) -> None:
    run(WRITE, notes, "x" * 10**6)
    assert (tmp_path / "told").read_text().count("x") == LONGEST_MESSAGE


def test_it_gets_no_key_and_no_key_comes_back(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://user:password-9z8y@host")
    monkeypatch.setenv("MY_OWN_NAME_FOR_IT", f"Bearer {KEY}")
    monkeypatch.setenv("HARMLESS", "yes")
    (tmp_path / "dot_env").write_text(KEY)
    keys = {"OPENAI_API_KEY": KEY, "OLLAMA_BASE_URL": "http://user:password-9z8y@host"}
    run("env > told; cat dot_env >&2; exit 3", notes, environ=keys)
    told = (tmp_path / "told").read_text()
    assert "HARMLESS=yes" in told
    assert "8q1f" not in told
    assert "9z8y" not in told
    assert notes == ["the hook for failed failed with exit code 3: [key]"]


def test_a_command_that_is_not_there_is_one_line(notes: list[str]) -> None:
    run("no-such-command-here", notes)
    (note,) = notes
    assert note.startswith("the hook for failed failed with exit code 127: ")
    assert "not found" in note


def test_a_command_that_takes_too_long_is_ended_with_what_it_has_started(tmp_path: Path, notes: list[str]) -> None:
    run("(sleep 1; touch late) & sleep 100", notes, limit_s=0.2)
    assert notes == ["the hook for failed took more than 0.2 s: ended"]
    time.sleep(1.0)
    assert not (tmp_path / "late").exists()


def test_ctrl_c_does_not_wait_for_it(notes: list[str]) -> None:
    hook = Hook("sleep 100", Path(), {}, notes.append)
    began = time.monotonic()
    hook.tell("failed", "")
    hook.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert time.monotonic() - began < 10.0


def test_ctrl_c_while_it_is_waited_for_ends_it_and_nothing_else(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = Hook("echo $$ > pid; exec sleep 100", Path(), {}, notes.append)

    def interrupt(_: float) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            raise KeyboardInterrupt

    monkeypatch.setattr("r2po.sweep.hook.time.sleep", interrupt)
    with hook:
        hook.tell("done", "")
    assert notes == ["the hook for done was interrupted: ended"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_only_the_end_of_much_that_it_complains_of_is_kept(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a disk may be full")

    monkeypatch.setattr("tempfile.TemporaryFile", no_file)
    tracemalloc.start()
    run("head -c 30000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo at last >&2; exit 4", notes)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert notes == ["the hook for failed failed with exit code 4: at last"]
    assert most < 2**20


def test_what_it_leaves_running_is_not_waited_for(notes: list[str]) -> None:
    began = time.monotonic()
    run("sleep 10 & echo oops >&2; exit 5", notes)
    assert notes == ["the hook for failed failed with exit code 5: oops"]
    assert time.monotonic() - began < 10


def test_a_sweep_tells_of_its_first_failure_and_of_its_end(tmp_path: Path, notes: list[str]) -> None:
    values = {**NIM, "llm_model_name": "embedded/search", "num_iterations": 1, "logdir": "logs/nim", "method": "props"}
    request = SweepRequest([str(write_config(tmp_path, values))], [], [1])
    assert main(["run", "--config", *request.configs, "--seed", "1", "--quiet"]) == 0
    sweep = Sweep(request, SweepOptions(name="one", quiet=True, hook=WRITE), {})
    sweep.run()
    assert (tmp_path / "told").read_text() == f"done|{tmp_path}/logs/one|1 runs are complete\n"
    (tmp_path / "told").unlink()
    three = SweepRequest(request.configs, [], [1, 2, 3])
    sweep = Sweep(three, SweepOptions(name="two", quiet=True, hook=WRITE), {})
    with sweep._hook:
        for run_index in (1, 2):
            sweep.hear(Ended(run_index, "failed", "no disk"))
    sweep._company.leave()
    assert (tmp_path / "told").read_text() == f"failed|{tmp_path}/logs/two|nim/run_2: no disk\n"


def test_the_events_at_the_end() -> None:
    names = ["a", "b", "c"]
    cap = Verdict(0, "max_cost is reached by the sweep", "--max-cost 2")
    assert stopped({0: Ended(0)}, None, names) is None
    by_cap = stopped({0: Ended(0, "waiting"), 1: Ended(1)}, cap, names)
    assert by_cap is not None
    assert (by_cap.events, by_cap.setting, str(by_cap)) == (
        ("cap",),
        "--max-cost 2",
        "max_cost is reached by the sweep",
    )
    both = stopped({0: Ended(0, "waiting"), 1: Ended(1, "failed", "x"), 2: Ended(2, "damaged", "y")}, cap, names)
    assert both is not None
    assert both.events == ("cap", "failed")


def test_the_command_that_continues_by_the_folder_keeps_it() -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    options = parser.parse_args(["a", "b", "c", "d", "--hook", "mail me"])
    assert command_to_continue(options, Path("logs/mine")).endswith("logs/mine --hook 'mail me'")
