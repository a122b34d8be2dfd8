"""Runs that are resumed after the texts have changed from which their prompts are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from r2po.analysis.logs.own import load_own_run
from r2po.cli import main
from r2po.runlog import RunDirectory
from tests.builders import editable_templates
from tests.process.processes import CARTPOLE, one_line, write_config
from tests.unsealed import unseal

ACCEPT = "--accept-changed-prompts"


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of templates that may be edited; the working directory has a config, and no logs yet."""
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": "embedded/search"})
    monkeypatch.chdir(tmp_path)
    with editable_templates(tmp_path / "templates") as folder:
        yield folder


def run(calls: int, *options: str, settings: tuple[str, ...] = ()) -> int:
    """Run until there were so many calls; returns the exit code."""
    return main(["run", "--quiet", "--config", "config.yaml", *options, "--set", f"max_llm_calls={calls}", *settings])


def edit(template: Path, text: str = "{# edited #}") -> None:
    with template.open("a", encoding="utf-8") as file:
        file.write(text)


def refused(capsys: pytest.CaptureFixture[str], *, since: str, calls: int = 99) -> None:
    before = Path("logs/run_1/iterations.jsonl").read_bytes()
    capsys.readouterr()
    assert run(calls, "--resume", "1") == 2
    said = one_line(capsys.readouterr().err)
    assert f"its prompts would not be those {since}: the templates changed; {ACCEPT} continues it" in said
    assert Path("logs/run_1/iterations.jsonl").read_bytes() == before


def changed(run_directory: str = "logs/run_1") -> list[bool]:
    """For each iteration, whether its prompts were made from other texts than those of the beginning."""
    return ["prompts" in record for record in RunDirectory(Path(run_directory)).read_iterations()]


def test_a_change_is_accepted_once_and_so_is_the_way_back(templates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = templates / "critic.j2"
    original = template.read_text(encoding="utf-8")
    assert run(2) == 1
    edit(template)
    refused(capsys, since="it began with")
    assert run(2, "--resume", "1", ACCEPT) == 1  # stopped before the first call with the other prompts
    refused(capsys, since="it began with")
    assert run(3, "--resume", "1", ACCEPT) == 1  # and after that call, in the midst of the iteration
    assert ACCEPT in capsys.readouterr().err
    refused(capsys, since="it began with")
    assert run(4, "--resume", "1", ACCEPT) == 1
    assert changed() == [False, True]
    assert run(6, "--resume", "1") == 1
    assert changed() == [False, True, True]
    template.write_text(original, encoding="utf-8")
    refused(capsys, since="of iteration 3")
    assert run(99, "--resume", "1", ACCEPT) == 0
    assert changed() == [False, True, True, False]
    assert load_own_run(RunDirectory(Path("logs/run_1"))).prompts == "prompts changed on the way"


def test_a_change_of_texts_that_the_method_does_not_use_is_none(templates: Path) -> None:
    assert run(2) == 1
    edit(templates / "critic_only.j2")
    assert run(99, "--resume", "1") == 0
    assert changed() == [False] * 4


def test_a_sweep_refuses_such_runs_and_completes_the_others(
    templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["sweep", "config.yaml", "--seeds", "1-2", "--quiet", "--jobs", "1"]
    assert run(2, "--seed", "1") == 1
    description = unseal(Path("logs/run_1")) / "run.yaml"  # the processes of a sweep have templates of their own
    facts = RunDirectory(description.parent).read_description()["prompts"]
    assert facts is not None
    text = description.read_text(encoding="utf-8")
    description.write_text(text.replace(facts["templates"], "0123456789abcdef"), encoding="utf-8")
    assert main(sweep) == 1
    said = capsys.readouterr().err
    assert "1 of 2 runs failed" in said
    assert "the templates changed" in said
    assert changed("logs/run_2") == [False] * 4
    assert main([*sweep, ACCEPT]) == 0
    assert changed() == [False, True, True, True]


def test_a_replay_of_such_a_run_stops_where_the_prompts_differ(
    templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(2) == 1
    edit(templates / "critic.j2", "Edited.")
    assert run(99, "--resume", "1", ACCEPT) == 0
    replay = ("llm_model_name=replay/logs/run_1", "logdir=again")
    assert run(99, settings=replay) == 1
    assert "iteration 1, critic, attempt 1: the prompt is not the recorded one" in capsys.readouterr().err
    assert run(99, "--replay-by-position", settings=replay) == 0
    assert changed("again/run_2") == [False] * 4
    assert load_own_run(RunDirectory(Path("again/run_2"))).prompts == "replies to other prompts"


def test_without_a_model_no_prompts_can_change(templates: Path) -> None:
    config = {**CARTPOLE, "method": "random_search", "logdir": "searches"}
    write_config(Path(), {key: value for key, value in config.items() if key != "llm_model_name"})
    assert main(["run", "--quiet", "--config", "config.yaml"]) == 0
    directory = Path("searches/run_1")
    (directory / "result.json").unlink()
    lines = (directory / "iterations.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "iterations.jsonl").write_bytes(lines[0])
    edit(templates / "search.j2")
    assert main(["run", "--quiet", "--config", "config.yaml", "--resume", "1"]) == 0
    assert changed("searches/run_1") == [False] * 4
