"""``replay/<run dir>``: a whole run again, without network, to the last byte."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.errors import UnusableReply
from r2po.llm.providers.replay import first_difference
from r2po.runlog import open_run
from tests.llm.fake_ollama import Answer, FakeOllama
from tests.process.processes import CARTPOLE, KEYS, NIM, logged, one_line, player, records, write_config
from tests.unsealed import unseal, without_checksums

Run = Callable[..., int]
RECORDED = "llm_model_name=replay/logs/run_1"
AGAIN = ("--set", RECORDED, "logdir=again")
OTHER_CRITIC = "critic_llm_conservative_threshold=300"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the config in the working directory, with a server or without network."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)

    def run(*options: str, server: FakeOllama | None = None) -> int:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url if server else NOBODY)
        return main(["run", "--config", "config.yaml", *options])

    return run


def record(run: Run, values: Mapping[str, Any], reply: Callable[[str], Answer] = player, *options: str) -> None:
    """Make ``logs/run_1``."""
    write_config(Path(), values)
    with FakeOllama(reply) as server:
        assert run("--quiet", *options, server=server) == 0


def timeless(path: Path) -> bytes:
    """Return the bytes of an iteration log without times and checksums, which cover the times."""
    data, count = re.subn(r',"times":\{[^{}]*\}', "", without_checksums(path.read_text(encoding="utf-8")))
    assert count == len(data.splitlines())
    return data.encode()


def assert_same(one: Path, other: Path) -> None:
    """All results are the same, but for what names the replay."""
    assert timeless(one / "iterations.jsonl") == timeless(other / "iterations.jsonl")
    warmups = [(path / "warmup.jsonl").read_text(encoding="utf-8") for path in (one, other)]
    assert without_checksums(warmups[0]) == without_checksums(warmups[1])
    results = [json.loads((path / "result.json").read_text()) for path in (one, other)]
    for result in results:
        for key in ("times", "replay_of", "differing_prompts", "sums", "sum"):
            del result[key]
    assert results[0] == results[1]
    arrays = [{path.name: path.read_bytes() for path in (run / "trajectories").glob("*")} for run in (one, other)]
    assert arrays[0] == arrays[1]


def candidates(run: Path) -> list[list[Any]]:
    """Return the parameters that were tried, by iteration."""
    return [[each["params"] for each in record["candidates"]] for record in records(run / "iterations.jsonl")]


def awkward() -> Callable[[str], Answer]:
    """Answer as the player does, after some replies that cannot be used."""
    bad: Iterator[Answer] = iter(
        ["I would rather not.", {"done_reason": "length", "message": {"content": "params[0]: 1.0, para"}}]
    )
    return lambda prompt: next(bad, None) or player(prompt)


@pytest.mark.parametrize("values", [CARTPOLE, NIM], ids=["linear", "tabular"])
def test_a_replay_needs_no_network_and_gives_the_same_bytes(
    run: Run, values: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    record(run, {**values, "temperature": 0.5, "keep_trajectories": "all"}, awkward(), "--seed", "7")
    before = {path: path.read_bytes() for path in Path("logs").rglob("*") if path.is_file()}
    assert run(*AGAIN) == 0
    assert capsys.readouterr().out.count("ollama/tiny (replay of logs/run_1)") == 2  # heading and summary
    assert_same(Path("logs/run_1"), Path("again/run_1"))
    description = yaml.safe_load(Path("again/run_1/run.yaml").read_text())
    assert [description[key] for key in ("model", "replay_of", "seed", "stand_in")] == [
        "ollama/tiny",
        "logs/run_1",
        7,
        False,
    ]
    result = open_run("again/run_1").read_result()
    assert (result["replay_of"], result["differing_prompts"], result["refused_replies"]) == ("logs/run_1", 0, 2)
    assert open_run("logs/run_1").read_result()["replay_of"] is None
    assert {path: path.read_bytes() for path in Path("logs").rglob("*") if path.is_file()} == before


def test_a_replay_refuses_what_the_recorded_run_refused_for_its_reasons(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(run, {**CARTPOLE, "temperature": 0.5}, awkward())
    monkeypatch.setattr("r2po.policies.reply._what_is_missing", lambda *_: "of another reason")
    assert run("--quiet", *AGAIN) == 0
    assert_same(Path("logs/run_1"), Path("again/run_1"))


def test_a_reply_that_is_read_no_longer_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise UnusableReply("it is no good")

    record(run, {**NIM})
    monkeypatch.setattr("r2po.policies.reply._check_later_lines", refuse)
    for again in (AGAIN, (*AGAIN, "--replay-by-position")):
        assert run("--quiet", *again) == 1
        said = (
            "logs/run_1: the reply on record for iteration 1, search, attempt 1 was usable and no longer is: it is no"
        )
        assert said in one_line(capsys.readouterr().err)


def test_a_replay_can_be_replayed(run: Run) -> None:
    record(run, {**CARTPOLE, "temperature": 0.5})
    assert run("--quiet", *AGAIN) == 0
    # The settings are the recorded ones, whatever the config says.
    assert run("--quiet", "--set", "llm_model_name=replay/again/run_1", "logdir=third", "temperature=1") == 0
    assert_same(Path("logs/run_1"), Path("third/run_1"))
    assert yaml.safe_load(Path("third/run_1/run.yaml").read_text())["config"]["temperature"] == 0.5
    assert open_run("third/run_1").read_result()["model"] == "ollama/tiny"


def test_a_replay_of_the_stand_in_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**NIM, "llm_model_name": "embedded/search"})
    assert run("--quiet") == 0
    assert run(*AGAIN) == 0
    assert capsys.readouterr().out.count("embedded stand-in: no language model answered") == 2
    assert open_run("again/run_1").read_result()["stand_in"] is True


def test_a_run_that_stopped_over_unusable_replies_is_replayed_in_one_go(run: Run) -> None:
    write_config(Path(), NIM)
    with FakeOllama(lambda prompt: "no idea") as server:
        assert run("--quiet", server=server) == 1
    with FakeOllama(player) as server:
        assert run("--quiet", "--resume", server=server) == 0
    assert run("--quiet", *AGAIN) == 0
    assert_same(Path("logs/run_1"), Path("again/run_1"))


def test_caps_do_not_apply_and_prices_do(run: Run) -> None:
    record(run, NIM)
    assert run("--quiet", *AGAIN, "max_llm_calls=1", "max_tokens=1", "max_wall_time_s=0.001", "prices.input=1e6") == 2
    assert run("--quiet", *AGAIN, "max_llm_calls=1", "max_tokens=1", "prices={input: 1, output: 2}") == 0
    result = open_run("again/run_1").read_result()
    tokens = result["tokens"]["search"]
    assert result["cost"] == pytest.approx((tokens["prompt_tokens"] + 2 * tokens["completion_tokens"]) / 1e6)


# ---- What does not match ----


def test_another_seed_is_named_and_misses_at_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record(run, CARTPOLE)
    assert run("--set", RECORDED, "logdir=new/again", "--seed", "5") == 2
    said = capsys.readouterr()
    assert "replay of logs/run_1, with other settings: seed was 1, is 5" in said.out
    line = one_line(said.err)
    assert "iteration 1, search, attempt 1: the prompt is not the recorded one; line " in line
    was, is_ = re.findall(r"(?:was|is) '(…?[^']*)'", line)
    assert was != is_
    assert "params = [" in was
    assert "params = [" in is_
    assert "--replay-by-position" in line
    assert not Path("new").exists()


def test_a_later_miss_can_be_gone_on_from_by_position(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record(run, CARTPOLE)
    changed = (*AGAIN, OTHER_CRITIC)
    assert run(*changed) == 1
    said = capsys.readouterr()
    assert "critic_llm_conservative_threshold was 480.0, is 300.0" in said.out
    assert "iteration 1, critic, attempt 1: the prompt is not the recorded one" in one_line(said.err)
    assert one_line(said.err).endswith("--replay-by-position --resume 1")
    assert run(*changed, "--resume", "--replay-by-position") == 0
    assert "4 prompts differ from the recorded ones" in capsys.readouterr().out
    result = open_run("again/run_1").read_result()
    assert result["differing_prompts"] == 4  # those of the critic
    params = [candidates(Path(name)) for name in ("logs/run_1", "again/run_1")]
    assert params[0] == params[1]


def test_by_position_tells_two_questions_of_one_role_apart(run: Run) -> None:
    record(run, {**NIM, "method": "actor_second_pass"})
    assert run("--quiet", *AGAIN, "optimum=0.5", "--replay-by-position") == 0
    params = [candidates(Path(name)) for name in ("logs/run_1", "again/run_1")]
    assert params[0] == params[1]
    assert any(first != second for first, second in params[0])
    assert open_run("again/run_1").read_result()["differing_prompts"] == 2 * NIM["num_iterations"]


def test_by_position_needs_a_replay(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**NIM, "llm_model_name": "embedded/search"})
    assert run("--replay-by-position") == 2
    assert "--replay-by-position needs a replay; llm_model_name is 'embedded/search'" in one_line(
        capsys.readouterr().err
    )
    assert not Path("logs").exists()


def test_a_longer_run_ends_where_the_recorded_one_does(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record(run, {**NIM, "announced_iterations": 8})
    assert run("--quiet", *AGAIN, "num_iterations=9") == 1
    said = one_line(capsys.readouterr().err)
    assert "iteration 9, search, attempt 1: the recorded run is complete and made no such call" in said
    assert said.endswith("; to repeat all of it, start a replay with num_iterations=8, in another logdir")
    assert len(records(Path("again/run_1/iterations.jsonl"))) == 8


def test_an_unfinished_run_is_replayed_as_far_as_it_goes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), CARTPOLE)
    with FakeOllama(player) as server:
        assert run("--quiet", "--set", "max_llm_calls=3", server=server) == 1
        capsys.readouterr()
        assert run("--quiet", *AGAIN) == 1
        said = one_line(capsys.readouterr().err)
        assert "iteration 2, critic, attempt 1: the recorded run is unfinished and ends before this call" in said
        assert timeless(Path("logs/run_1/iterations.jsonl")) == timeless(Path("again/run_1/iterations.jsonl"))
        assert run("--quiet", "--resume", server=server) == 0
    assert run("--quiet", *AGAIN, "--resume") == 0
    assert_same(Path("logs/run_1"), Path("again/run_1"))


def test_a_torn_recording_is_read_and_left_as_it_is(run: Run) -> None:
    record(run, NIM)
    calls = Path("logs/run_1/llm_calls.jsonl")
    torn = calls.read_bytes() + b'{"event":"req'
    calls.write_bytes(torn)
    assert run("--quiet", *AGAIN) == 0
    assert calls.read_bytes() == torn


BAD_PATHS = {
    "": "names no run",
    "nowhere/run_1": "nowhere/run_1 is not a run directory",
    "logs": "it holds run_1",
    "logs/run_9": "is not a run directory",
    "config.yaml": "is not a run directory",
    "empty/run_1": "it has no run.yaml",
    "silent/run_1": "it has no recorded replies",
    "damaged/run_1": "llm_calls.jsonl, line 1: not a JSON object",
    "odd/run_1": "line 1: a field is missing, or of another kind",
    "uncounted/run_1": "cannot replay uncounted/run_1: damaged log",
}


@pytest.mark.parametrize(("path", "expected"), BAD_PATHS.items())
def test_a_bad_path_costs_one_line_and_leaves_nothing(
    run: Run, path: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(run, NIM)
    Path("empty/run_1").mkdir(parents=True)
    for name in ("silent", "damaged", "odd", "uncounted"):
        unseal(shutil.copytree("logs/run_1", Path(name, "run_1")))
    Path("silent/run_1/llm_calls.jsonl").unlink()
    Path("damaged/run_1/llm_calls.jsonl").write_text("!\n")
    uncounted = Path("uncounted/run_1/llm_calls.jsonl")
    uncounted.write_text(uncounted.read_text().replace('"prompt_tokens":', '"words":'))
    Path("odd/run_1/llm_calls.jsonl").write_text('{"event": "reply", "call": 1}\n')
    before = set(Path().rglob("*"))
    capsys.readouterr()
    assert run("--set", f"llm_model_name=replay/{path}", "logdir=new/again") == 2
    said = capsys.readouterr()
    assert expected in one_line(said.err)
    assert said.out == ""
    assert set(Path().rglob("*")) == before


def test_a_replay_that_is_being_run_is_left_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record(run, CARTPOLE)
    assert run("--quiet", *AGAIN, OTHER_CRITIC) == 1
    directory = open_run("again/run_1")
    directory.lock()
    before = logged(directory.path)
    capsys.readouterr()
    options = (*AGAIN, OTHER_CRITIC, "--resume", "--replay-by-position")
    assert run("--quiet", *options) == 2
    assert "is being run by another process" in one_line(capsys.readouterr().err)
    assert logged(directory.path) == before
    # The recorded run may be in use.
    directory.close()
    original = open_run("logs/run_1")
    original.lock()
    assert run("--quiet", *options) == 0
    original.close()


def test_a_replay_beside_its_original_is_pointed_out(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record(run, NIM)
    assert run("--set", RECORDED) == 0
    assert "one sample, not two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a\nb\nc", "a\nB\nc", (2, "b", "B")),
        ("a", "a\nb", (2, "", "b")),
        ("same\nfirst", "same\nfirst and more", (2, "first", "first and more")),
        ("x" * 500 + "1", "x" * 500 + "2", (1, "…" + "x" * 59 + "1", "…" + "x" * 59 + "2")),
        ("1" + "x" * 500, "2" + "x" * 500, (1, "1" + "x" * 59 + "…", "2" + "x" * 59 + "…")),
    ],
)
def test_the_first_difference_is_shown(one: str, other: str, expected: tuple[int, str, str]) -> None:
    assert first_difference(one, other) == expected
