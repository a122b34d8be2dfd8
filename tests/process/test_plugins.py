"""A plugin through whole commands: run, killed, resumed, swept, replayed, analysed; and never run unasked."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po import export, load_policy
from r2po.cli import COMMANDS, main
from r2po.errors import InputError
from r2po.methods import METHODS
from r2po.plugins import loading
from r2po.runlog import RunDirectory
from r2po.tasks import TASKS
from tests.outside.processes import run_commands
from tests.plugins.installing import install
from tests.process.processes import REPOSITORY, environ, one_line, records, trials

LAB = REPOSITORY / "tests/outside/lab"
SCRIPT = REPOSITORY / "tests/outside/lab_script.py"
VALUES = {
    "gym_env_name": "Lab-v0",
    "method": "twice",
    "llm_model_name": "dice/1",
    "logdir": "logs/lab",
    "plugins": ["lab"],
    "prompts": "lab/prompts",
    "num_iterations": 3,
    "num_evaluation_episodes": 3,
    "heldout_episodes": 4,
    "rollout_engine": "reference",
}
REMEDY = "asks for the plugin 'lab' (./lab); to let it run code: --plugin lab, or install it with an entry point"


def write_config(folder: Path, name: str = "lab.yaml", **changes: Any) -> None:
    values = {key: value for key, value in {**VALUES, **changes}.items() if value is not None}
    (folder / name).write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows nothing of the plugin."""
    monkeypatch.delenv("R2PO_PLUGINS", raising=False)
    monkeypatch.setattr(loading, "_state", loading.State())


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: None) -> Path:
    """A working directory with the plugin, of which nothing has run."""
    shutil.copytree(LAB, tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


CHANGE = """
import shutil
from pathlib import Path
shutil.copytree("swept", "changed")
Path("changed/lab/run_1/result.json").unlink()
with Path("lab/method.py").open("a") as file:
    file.write("# changed")
"""


def test_from_a_kill_to_the_analyses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nobody: None
) -> None:
    """One chain, since what it starts with takes long to make."""
    made = _make_runs(tmp_path)
    _check_what_was_made(made)
    monkeypatch.chdir(tmp_path)
    _check_analyses(monkeypatch, capsys)
    _check_that_runs_need_the_option(capsys)


def _make_runs(folder: Path) -> Path:
    """Make all that needs the plugin: a run that is killed and resumed, its replay, a sweep in worker processes."""
    shutil.copytree(LAB, folder / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    write_config(folder)
    write_config(folder, "r2po.yaml", method="r2po", logdir="logs/r2po")
    drafted = {"task": "drafted.yaml", "gym_env_name": None, "policy": "halves", "prompts": None, "optimum": 20.0}
    write_config(folder, "search.yaml", **drafted, method="random_search", llm_model_name=None, logdir="logs/search")
    shutil.copy(SCRIPT, folder / "script.py")
    (folder / "change.py").write_text(CHANGE)
    (folder / "kill").touch()
    plugin = ["--plugin", "lab"]
    run = ["run", "--config", "lab.yaml", "--quiet", *plugin]
    changed = ["--set", "logdir=changed/lab"]
    done = run_commands(
        folder,
        [run],
        [
            [*run, "--resume"],
            [*run, "--set", "llm_model_name=replay/logs/lab/run_1", "logdir=again"],
            ["sweep", "lab.yaml", "r2po.yaml", *plugin, "--seeds", "1-2", "--logs", "swept", "--quiet"],
            ["reevaluate", "swept", *plugin, "--episodes", "21", "--jobs", "1"],
            ["export", "logs/lab/run_1", "--output", "policy.json", *plugin],
            ["run", "--config", "lab.yaml", "--dry-run", *plugin],
            ["new-task", "lab:Lab-v0", "--output", "drafted.yaml", *plugin],
            ["check-task", "drafted.yaml", *plugin],
            ["run", "--config", "search.yaml", "--quiet", *plugin],
        ],
        [["script.py"]],
        [
            ["change.py"],
            [*run, *changed, "--resume"],
            [*run, *changed, "--resume", "2"],
            ["sweep", "lab.yaml", *plugin, "--logs", "changed", "--seeds", "1", "--quiet"],
            ["reevaluate", "changed/lab", *plugin, "--jobs", "1", "--episodes", "30"],
            ["export", "changed/lab/run_1", "--output", "policy.json", *plugin],
        ],
    )
    said = re.findall(r"^(?:codes|signal): .*", done.stdout, re.MULTILINE)
    expected = [f"signal: {signal.SIGKILL}", f"codes: {[0] * 9}", "codes: [0]", "codes: [0, 2, 2, 2, 1, 0]"]
    assert said == expected, done.stdout + done.stderr
    _check_that_a_changed_plugin_continues_nothing(folder, done.stderr)
    return folder


def _check_that_a_changed_plugin_continues_nothing(lab: Path, said: str) -> None:
    lines = [line for line in said.splitlines() if "the plugin 'lab' has changed since: " in line]
    assert len(lines) == 5
    hashes = "[0-9a-f]{8}, is [0-9a-f]{8}"
    assert re.fullmatch(
        f"error: cannot resume changed/lab/run_1: the plugin 'lab' has changed since: {hashes}; put back its files, or "
        "start a new run",
        lines[0],
    )
    assert sum("cannot re-evaluate changed/lab/run_1: " in line for line in lines) == 1
    for path in (lab / "changed/lab").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (lab / "swept/lab" / path.relative_to(lab / "changed/lab")).read_bytes()


def _check_what_was_made(lab: Path) -> None:
    run, swept, other, again, python = (
        lab / each for each in ("logs/lab/run_1", "swept/lab/run_1", "swept/lab/run_2", "again/run_1", "python/run_1")
    )
    assert len(trials(run)) == 3
    assert trials(run) == trials(swept) == trials(again) == trials(python) != trials(other)
    assert RunDirectory(again).read_result()["differing_prompts"] == 0
    assert sum(len(line["returns"]) for line in records(swept / "reevaluation.jsonl")) == 3 * 21
    assert len(json.loads((lab / "policy.json").read_text())["params"]) == 4 + 1  # the Dict makes four numbers
    processes = (lab / "imported.txt").read_text().split()
    assert len(set(processes)) == len(processes)  # once in each
    # The four groups; two workers, or one where there is one core.
    assert len(processes) == 4 + min(2, len(os.sched_getaffinity(0)))
    descriptions = [RunDirectory(path).read_description() for path in (run, other, python)]
    (plugin,), (same,), (imported,) = (description["plugins"] for description in descriptions)
    assert plugin == same == imported
    assert (plugin["name"], plugin["version"]) == ("lab", None)
    assert re.fullmatch("[0-9a-f]{64}", plugin["sha256"])
    assert descriptions[0]["config"]["plugins"] == ["lab"]


def _check_analyses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """They need no plugin, and load none."""
    assert ("lab" in TASKS, "twice" in METHODS, "lab" in sys.modules) == (False, False, False)
    before = Path("imported.txt").read_text()
    swept = ["--logs-root", "swept", "--methods"]
    with monkeypatch.context() as patch:
        patch.setenv("R2PO_PLUGINS", "no_such_plugin")
        for command in (
            ["eval", "--logdir", "logs/lab"],
            ["paper_results_tables", *swept, "twice,r2po", "--output-dir", "tables", "--formats", "md"],
            ["paper_reward_curves", *swept, "twice,r2po", "--output", "tables/curves.svg"],
            ["paper_significance_tests", *swept, "twice", "--output", "tables/tests.md"],
            ["show", "logs/lab/run_1"],
            ["prompt", "logs/lab/run_1", "1", "search"],
            ["status", "swept"],
        ):
            assert main(command) == 0, command
            said = capsys.readouterr().out
            told = {"eval": "Twice around", "show": "Twice around", "prompt": "Push before it is too late."}
            assert told.get(command[0], "") in said
    for path in (*Path("tables").glob("*.md"), Path("tables/curves.svg")):
        assert "Twice around" in path.read_text(), path
    assert len([*Path("tables").iterdir()]) >= 3
    assert Path("imported.txt").read_text() == before
    assert "lab" not in sys.modules


def _check_that_runs_need_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """What uses a run that is there, or a card, lets nothing run either."""
    before = Path("imported.txt").read_text()
    run = "logs/lab/run_1"
    for code, asker, command in (
        (2, run, ["watch", run, "--output", "run.gif"]),
        (2, run, ["export", run, "--output", "p.json"]),
        (1, run, ["reevaluate", run, "--jobs", "1", "--episodes", "30"]),
        (2, "the environment 'lab:Lab-v0'", ["new-task", "lab:Lab-v0"]),
        (2, "the environment 'lab:Lab-v0'", ["check-task", "drafted.yaml"]),
        (2, "lab.yaml", ["run", "--config", "lab.yaml", "--set", "llm_model_name=replay/logs/lab/run_1"]),
    ):
        assert main(command) == code
        assert f"{asker} {REMEDY}" in capsys.readouterr().err
    for use in (load_policy, lambda path: export(path, "p.py")):
        with pytest.raises(InputError, match=re.escape(f"{run} {REMEDY}")):
            use(run)
    assert Path("imported.txt").read_text() == before


@pytest.mark.parametrize(
    ("changes", "asker"),
    [
        ({}, "lab.yaml"),
        ({"plugins": None, "gym_env_name": "lab:Lab-v0"}, "lab.yaml"),
        ({"plugins": None, "gym_env_name": "lab.environment:Lab-v0"}, "lab.yaml"),
        ({"plugins": None, "gym_env_name": "lab:CartPole-v1", "method": "props", "llm_model_name": "x"}, "lab.yaml"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ["run", "--config", "lab.yaml"],
        ["run", "--config", "lab.yaml", "--dry-run"],
        ["sweep", "lab.yaml", "--runs", "2"],
        ["doctor", "--config", "lab.yaml"],
    ],
)
def test_without_the_option_nothing_of_it_runs(
    changes: dict[str, Any], asker: str, command: list[str], apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(apart, **changes)
    there = {path.name for path in apart.iterdir()}
    assert main(command) == 2
    assert one_line(capsys.readouterr().err) == f"error: {asker} {REMEDY}"
    assert {path.name for path in apart.iterdir()} == there
    assert "lab" not in sys.modules


def test_an_id_with_a_module_runs_with_the_option(apart: Path) -> None:
    write_config(apart, gym_env_name="lab:Lab-v0", plugins=None, logdir="logs/named")
    write_config(apart, "plain.yaml", plugins=None, logdir="logs/plain")
    write_config(apart, "capped.yaml", max_llm_calls=2)
    run = ["run", "--quiet", "--plugin", "./lab", "--config"]
    done = run_commands(apart, [[*run, f"{name}.yaml"] for name in ("lab", "plain", "capped")])
    assert "codes: [0, 0, 1]" in done.stdout, done.stderr
    assert trials(apart / "logs/named/run_1") == trials(apart / "logs/plain/run_1")
    assert "--config capped.yaml --plugin ./lab --set max_llm_calls=" in one_line(done.stderr)  # how to continue


def test_an_installed_plugin_is_loaded_when_a_name_is_not_built_in(tmp_path: Path) -> None:
    shutil.copytree(LAB, tmp_path / "site/lab", ignore=shutil.ignore_patterns("__pycache__"))
    install(tmp_path / "site", "physics = lab")
    write_config(tmp_path, plugins=["physics"], prompts="site/lab/prompts")
    write_config(tmp_path, "unnamed.yaml", plugins=None, logdir="logs/unnamed", policy="linear", prompts=None)
    built_in = {
        "gym_env_name": "CartPole-v1",
        "method": "r2po",
        "llm_model_name": "embedded/search",
        "plugins": None,
        "prompts": None,
    }
    write_config(tmp_path, "built_in.yaml", **built_in, logdir="logs/built_in", num_iterations=1, warmup_episodes=1)
    run = ["run", "--quiet", "--config"]
    path = os.pathsep.join([str(tmp_path / "site"), environ()["PYTHONPATH"]])
    done = run_commands(
        tmp_path, [[*run, f"{name}.yaml"] for name in ("built_in", "unnamed", "lab", "built_in")], PYTHONPATH=path
    )
    assert "codes: [0, 0, 0, 0]\nimported: [False, True, True, True]" in done.stdout, done.stdout + done.stderr
    for name in ("unnamed", "lab"):
        (plugin,) = RunDirectory(tmp_path / "logs" / name / "run_1").read_description()["plugins"]
        assert (plugin["name"], plugin["version"]) == ("physics", "1.2")
    for number in (1, 2):  # whatever else its process has loaded
        assert "plugins" not in RunDirectory(tmp_path / f"logs/built_in/run_{number}").read_description()


def test_a_plugin_that_does_not_import_ends_the_command_in_one_line(
    apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken_plugin.py").write_text("import os\n\nraise KeyError(os.environ['LAB_TOKEN'])\n")
    monkeypatch.setenv("LAB_TOKEN", "abcdefgh")
    write_config(apart)
    assert main(["run", "--config", "lab.yaml", "--plugin", "broken_plugin"]) == 2
    said = one_line(capsys.readouterr().err)
    assert said == "error: plugin 'broken_plugin' does not import: KeyError: '$LAB_TOKEN' (./broken_plugin.py:3)"
    assert not Path("logs").exists()


WITH_PLUGINS = {
    "track",
    "run",
    "sweep",
    "sb3_baselines",
    "list",
    "reevaluate",
    "report",
    "view",
    "watch",
    "export",
    "check-task",
    "new-task",
    "doctor",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_run_code_of_a_user_have_the_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert ("--plugin PLUGIN" in capsys.readouterr().out) == (command in WITH_PLUGINS)
