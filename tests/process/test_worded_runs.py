"""Runs with compact prompts and with templates of the user's: resumed, replayed, in sweeps and in tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2po.analysis.evaluation.report import experiments_in
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.own import load_own_run
from r2po.cli import main
from r2po.runlog import RunDirectory
from r2po.runlog.events import read_calls
from tests.process.processes import CARTPOLE, one_line, write_config
from tests.process.test_replay import assert_same, timeless

RUN = Path("logs/run_1")
ACCEPT = "--accept-changed-prompts"
WORDINGS = {"compact": "compact prompts", "mine": "compact prompts of the user's"}
"""How tables call runs with these values of the key."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a config and a folder of templates, which the stand-in can read."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": "embedded/search", "num_iterations": 2})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "style").write_text("compact", encoding="utf-8")
    word("Answer briefly.")


def word(text: str) -> None:
    """Let the user's template begin with a text."""
    Path("mine/search.j2").write_text(f'{text}\n{{% include "r2po/search.j2" %}}', encoding="utf-8")


def run(*options: str, **settings: object) -> int:
    given = [f"{key}={value}" for key, value in settings.items()]
    return main(["run", "--quiet", "--config", "config.yaml", *options, *(["--set", *given] if given else [])])


@pytest.mark.parametrize("prompts", WORDINGS)
def test_a_run_is_resumed_and_replayed(prompts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(prompts=prompts, logdir="whole") == 0
    assert run(prompts=prompts, max_llm_calls=3) == 1
    capsys.readouterr()
    assert run("--resume", "1") == 2
    assert "prompts" in one_line(capsys.readouterr().err)
    assert run("--resume", "1", prompts=prompts) == 0
    whole = Path("whole/run_1")
    assert timeless(RUN / "iterations.jsonl") == timeless(whole / "iterations.jsonl")
    assert [call.prompt for call in read_calls(RUN)] == [call.prompt for call in read_calls(whole)]

    replay = {"llm_model_name": "replay/logs/run_1", "logdir": "again"}
    assert run(**replay) == 2
    assert "the prompt is not the recorded one; line 1 was" in one_line(capsys.readouterr().err)
    assert run(**replay, prompts=prompts) == 0
    assert_same(RUN, Path("again/run_1"))
    assert RunDirectory(Path("again/run_1")).read_result()["differing_prompts"] == 0


def test_other_templates_are_refused_at_resume_and_stand_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(prompts="mine", max_llm_calls=2) == 1
    word("Answer at length.")
    capsys.readouterr()
    assert run("--resume", "1", prompts="mine") == 2
    assert f"the templates changed; {ACCEPT} continues it" in one_line(capsys.readouterr().err)
    assert run("--resume", "1", ACCEPT, prompts="mine") == 0
    assert ["prompts" in record for record in RunDirectory(RUN).read_iterations()] == [False, True]
    assert load_own_run(RunDirectory(RUN)).prompts.endswith("prompts changed on the way")


def test_a_wording_is_a_cohort_of_its_own_and_so_is_each_folder(capsys: pytest.CaptureFixture[str]) -> None:
    small = {"num_iterations": 1, "heldout_episodes": 0, "reevaluation_episodes": 0}
    for seed, prompts in enumerate(("published", "compact", "mine", "mine"), 1):
        word("Answer briefly." if seed < 4 else "Answer at length.")
        assert run("--seed", str(seed), prompts=prompts, **small) == 0
    assert run("--seed", "5", prompts="mine", **small) == 0
    logs = load_log_directory(Path("logs"))
    assert [run.prompts for run in logs.runs] == ["", *WORDINGS.values(), *[WORDINGS["mine"]] * 2]
    hashes = [run.prompts_hash for run in logs.runs]
    assert len(set(hashes)) == 4
    assert hashes[3] == hashes[4], "it is the texts that count"
    parts = {tuple(run.name for run in part.runs): name for name, part in experiments_in(logs)}
    assert set(parts) == {("run_1",), ("run_2",), ("run_3",), ("run_4", "run_5")}
    assert len(set(parts.values())) == 4
    for number, style in enumerate(("", ", style compact", ", style own, compact"), 1):
        capsys.readouterr()
        assert main(["prompt", f"logs/run_{number}", "1", "search"]) == 0
        assert capsys.readouterr().out.startswith(
            f"===== prompt: iteration 1, search, sample 0, attempt 1{style} ====="
        )


@pytest.mark.slow
def test_a_sweep_over_wordings_makes_the_runs_that_single_commands_make() -> None:
    small = {"num_iterations": 1, "heldout_episodes": 0, "reevaluation_episodes": 0}
    settings = [*(f"{key}={value}" for key, value in small.items()), f"prompts={','.join(WORDINGS)}"]
    assert main(["sweep", "config.yaml", "--runs", "1", "--quiet", "--jobs", "1", "--set", *settings]) == 0
    for prompts, called in WORDINGS.items():
        assert run("--seed", "1", prompts=prompts, logdir=f"single/{prompts}", **small) == 0
        (swept,) = Path().glob(f"logs__prompts=*{prompts}/run_1")
        assert timeless(swept / "iterations.jsonl") == timeless(Path("single") / prompts / "run_1/iterations.jsonl")
        assert load_own_run(RunDirectory(swept)).prompts == called
