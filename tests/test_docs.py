"""What the documents say of methods and configs is what the code does."""

from __future__ import annotations

import re
import shlex
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core import PydanticUndefined

from benchmarks import tuned_constants
from benchmarks.gaits import GAITS
from r2po.cli import main
from r2po.commands.check_task import check_task
from r2po.config import Config, load_config
from r2po.config.config import PROGRAM_KEYS, TUNING_KEYS
from r2po.errors import InputError
from r2po.isolation.constants import declared
from r2po.methods import METHODS, Method
from r2po.policies import FAMILIES, projected_mlp, random_features
from r2po.runlog import RunDirectory
from r2po.runlog.events import read_calls
from r2po.tasks import TASKS, Task, task_for
from tests.builders import CONFIGS, make_config, register
from tests.outside.processes import run_commands

ROOT = CONFIGS.parent
NEEDS = {
    "box2d": {"LunarLander-v3"},
    "robotics": {
        task.gym_id for task in TASKS.values() if task.gym_id.startswith("r2po/") and "Noise" not in task.gym_id
    },
}
DOCS = ROOT / "docs"
REGISTERED = {
    "a task": "Task",
    "a method": "Method",
    "a policy family": "NumericFamily",
    "a provider": "ProviderKind",
    "a tracker": "Tracker",
}


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table_of(text: str, first_cell: str = "key") -> dict[str, list[str]]:
    """Return the rows of the first table whose head begins with this cell: by key, the other cells."""
    lines = iter(text[text.index(f"| {first_cell} |") :].splitlines()[2:])
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        key, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert key not in rows
        rows[key.strip("`")] = cells
    return rows


# ---- config.md ----


def test_every_key_of_a_config_has_its_row_and_no_other() -> None:
    assert list(table_of(read("config.md"))) == list(Config.model_fields)


IN_WORDS = {
    "required",
    "task",
    "method",
    "none",
    "not sent",
    "`llm_model_name`",
    "`num_iterations`",
    "the run's number",
    "from the prompt",
    "own servers",
}


@pytest.mark.parametrize("key", Config.model_fields)
def test_the_default_of_a_key(key: str) -> None:
    default, meaning = table_of(read("config.md"))[key]
    field = Config.model_fields[key]
    assert meaning
    assert (field.default is PydanticUndefined) == (default == "required")
    if default in IN_WORDS:
        assert field.default in (PydanticUndefined, None, {})
    else:
        assert yaml.safe_load(default.strip("`")) == field.default


def test_what_the_table_takes_from_the_task_is_what_the_task_has() -> None:
    from_task = {key for key, (default, _) in table_of(read("config.md")).items() if default == "task"}
    renamed = {"critic_llm_conservative_threshold": "conservative_threshold"}
    card = TASKS["cartpole"]
    assert all(hasattr(card, renamed.get(key, key)) for key in from_task)
    assert len(from_task) == 7


@pytest.mark.parametrize("name", [*METHODS, *FAMILIES])
def test_the_names_of_methods_and_policies_stand_in_the_table(name: str) -> None:
    rows = table_of(read("config.md"))
    assert f"`{name}`" in rows["method" if name in METHODS else "policy"][1]


def test_the_settings_of_policies_and_their_defaults() -> None:
    rows = table_of(read("config.md").split("## `policy_settings`")[1])
    for column, settings in enumerate((random_features.RandomFeaturesSettings, projected_mlp.ProjectedMLPSettings)):
        documented = {key: cells[column] for key, cells in rows.items() if cells[column] != "-"}
        assert {key: float(value) for key, value in documented.items()} == settings().model_dump()


# ---- tasks.md ----


def test_the_table_of_tasks_is_what_the_cards_say() -> None:
    rows = table_of(read("tasks.md"), "name")
    assert list(rows) == [task.label for task in TASKS.values()]
    for task, (gym_id, extra, policy, *settings, told) in zip(TASKS.values(), rows.values(), strict=True):
        assert (gym_id, policy) == (f"`{task.gym_id}`", f"`{task.policy}`")
        assert [float(each) for each in settings] == [task.max_traj_length, task.optimum, task.random_reward]
        assert ("success" in told, "reward as Python" in told) == (task.success, bool(task.reward_source))
        assert ("hidden state" in told) == bool(task.state)
        assert extra == next((f"`{name}`" for name, ids in NEEDS.items() if task.gym_id in ids), "")


def test_the_checks_of_a_task_are_explained() -> None:
    section = read("tasks.md").split("## Checking a task")[1]
    assert re.findall(r"^- `(\w+)`", section, re.MULTILINE) == [
        finding.what for finding in check_task(TASKS["nim"], "limits")
    ]


def test_the_entries_of_a_card_are_explained() -> None:
    rows = table_of(read("tasks.md").split("## Task cards")[1], "entry")
    explained = {name.strip("` "): cells[0] for head, cells in rows.items() for name in head.split(",")}
    assert set(explained) == {field.name for field in fields(Task)}
    for field in fields(Task):
        default = explained[field.name].strip("`")
        required = field.default is MISSING and field.default_factory is MISSING
        assert (default == "required") == required, field.name
        if default not in ("required", "none"):
            assert yaml.safe_load(default) == field.default, field.name


def test_the_commands_for_an_environment_of_ones_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = read("tasks.md").split("## Your own environment")[1].split("\n## ")[0]
    (run,) = re.findall(r"^    python main\.py (.*)$", section, re.MULTILINE)
    of_extending = read("extending.md").split("## An environment and its task")[1].split("\n## ")[0]
    commands = re.findall(r"^    r2po (.*)$", section + of_extending, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["new-task", "check-task"] * 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(CONFIGS)
    assert main(["run", *shlex.split(run), "heldout_episodes=2", "--quiet"]) == 0
    for command in commands:
        assert main(shlex.split(command)) == 0
    (tmp_path / "runs").mkdir()
    (config,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    (tmp_path / "runs" / "mine.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(InputError, match="TODO in summary, reward, ending"):
        load_config("runs/mine.yaml", ["optimum=-150"])
    card = tmp_path / "tasks" / "my_pendulum.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("TODO: ", "").replace("TODO", "-150"), encoding="utf-8")
    assert load_config("runs/mine.yaml").card.name == "pendulum"
    assert "TODO" in capsys.readouterr().out


# ---- methods.md ----


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_has_its_section(method: Method) -> None:
    text = read("methods.md")
    calls = f"{method.calls_per_iteration({})} call{'s' if method.calls_per_iteration({}) != 1 else ''}"
    headline = f"## {method.label} (`{method.name}`, {calls}, {method.default_iterations({})} iterations)"
    assert text.count(headline) == 1
    section = text.split(headline)[1].split("\n## ")[0]
    module = method.iterate.__module__
    assert f"`{method.iterate.__name__}` in `{module.replace('.', '/')}.py`" in section
    assert "\n    " in section  # one iteration, as code
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_policy_is_explained(name: str) -> None:
    assert f"- `{name}`" in read("methods.md").split("## Policies")[1]


def test_every_method_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in METHODS)
    for option in ("--list", "--fresh"):
        assert option in text


@pytest.mark.parametrize(
    "name", ["methods.md", "config.md", "extending.md", "architecture.md", "../CONTRIBUTING.md", "../SECURITY.md"]
)
def test_files_that_are_named_exist(name: str) -> None:
    for path in re.findall(r"`((?:r2po|configs|envs|docs|tests)/[\w/.]+)`", read(name)):
        assert (ROOT / path).exists() or "/my_" in path, path


# ---- promptpo.md ----


def test_the_demo_of_programs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, _ = re.findall(r"^    python main\.py (.*)$", read("promptpo.md"), re.MULTILINE)
    monkeypatch.chdir(ROOT)
    small = [f"logdir={tmp_path}", "num_iterations=2", "heldout_episodes=2", "max_traj_length=50"]
    assert main(["run", *shlex.split(line), *small, "--quiet"]) == 0  # the last ones win
    run = RunDirectory(tmp_path / "run_1")
    assert len(run.read_iterations()) == 2
    assert run.read_iterations()[0]["candidates"]
    assert (run.path / "best_policy.py").exists()
    _, commands = shown_in_the_docs()
    assert len(commands) == 5
    for command in commands:
        options = shlex.split(command.replace("logs/promptpo_demo", str(tmp_path)), comments=True)
        assert main(["show", *options]) == 0


def shown_in_the_docs() -> tuple[str, list[str]]:
    """Return the picture of a round in promptpo.md, and the commands below it."""
    section = read("promptpo.md").split("## How the policies came about")[1].split("\n## ")[0]
    return section.split("```\n")[1], re.findall(r"^    r2po show (.*)$", section, re.MULTILINE)


@pytest.mark.slow
def test_the_picture_of_the_demo_of_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line, _ = re.findall(r"^    python main\.py (.*)$", read("promptpo.md"), re.MULTILINE)
    picture, commands = shown_in_the_docs()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "configs").symlink_to(CONFIGS)
    assert main(["run", *shlex.split(line), "--quiet"]) == 0
    capsys.readouterr()
    for command in commands:
        assert main(["show", *shlex.split(command, comments=True)]) == 0
        assert ("iteration 2," if "--iteration" in command else picture.splitlines()[0][4:]) in capsys.readouterr().out
    assert main(["show", "logs/promptpo_demo/run_1"]) == 0
    assert picture in capsys.readouterr().out


def test_the_keys_of_a_search_for_programs() -> None:
    rows = table_of(read("promptpo.md"), "key")
    assert set(rows) == {*PROGRAM_KEYS, "max_concurrent_calls"}
    for protocol, own in (("controlled", 0), ("published", -1)):
        config = make_config("cartpole", "promptpo", protocol=protocol, llm_model_name="embedded/code")
        for key in PROGRAM_KEYS:
            default = rows[key][0].split("; ")[own].split(" under")[0].strip("`")
            found = config.model_dump()[key]
            assert yaml.safe_load(default) == found, key


def test_the_environments_with_hidden_state() -> None:
    rows = table_of(read("promptpo.md").split("## Hidden state")[1].split("\n## ")[0], "environment")
    found = {gym_id: [name.strip("`") for name in cells[0].split(", ")] for gym_id, cells in rows.items()}
    assert found == {task.gym_id: list(task.state) for task in TASKS.values() if task.state}


def test_the_command_for_hidden_state_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, line = re.findall(r"^    python main\.py (.*)$", read("promptpo.md"), re.MULTILINE)
    monkeypatch.chdir(ROOT)
    small = [f"logdir={tmp_path}", "num_iterations=1", "heldout_episodes=1", "max_traj_length=20"]
    assert main(["run", *shlex.split(line), *small, "--quiet"]) == 0  # the last ones win
    assert RunDirectory(tmp_path / "run_1").read_description()["config"]["information"] == "privileged"


def test_the_presets_of_a_search_for_programs() -> None:
    rows = table_of(read("promptpo.md"), "configs")
    files = [file for file in CONFIGS.glob("*/*promptpo*.yaml") if not file.stem.endswith("_tuned")]
    assert len(files) > 3 * 4
    for file in files:
        config = load_config(file)
        (cells,) = (cells for head, cells in rows.items() if file.name.endswith(head.split("`")[0].lstrip("*")))
        rounds, candidates, episodes = cells[:3]
        assert (int(candidates), int(episodes)) == (config.candidates, config.num_evaluation_episodes)
        assert rounds == str(config.num_iterations) or config.budget == "evaluations"


def tuning_episodes(config: Config) -> int:
    """Return the episodes of a tuning, without that of the tuned program."""
    return (config.tune_evaluations or 0) * (config.tune_episodes or 0)


def test_what_is_said_of_tuned_constants() -> None:
    section = read("promptpo.md").split("## Constants tuned without a model")[1].split("\n## ")[0]
    config = make_config("cartpole", "promptpo_tuned", protocol="controlled", llm_model_name="embedded/code")
    rows = table_of(section, "key")
    assert set(rows) == set(TUNING_KEYS)
    assert all(int(default) == getattr(config, key) for key, (default, _) in rows.items())
    assert tuning_episodes(config) / config.num_evaluation_episodes == 8
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert [(each.name, each.value, each.whole) for each in declared(program)] == [
        ("gain", 1.0, False),
        ("steps", 20.0, True),
    ]
    assert "500 episodes" in section
    files = list(CONFIGS.glob("*/*promptpo_tuned.yaml"))
    assert len(files) == 5
    for config in map(load_config, files):
        candidates = (config.candidates or 0) + 1  # and the tuned program
        of_a_round = candidates * config.num_evaluation_episodes + tuning_episodes(config)
        assert (config.num_iterations or 0) * of_a_round == 500


def test_the_table_of_tuned_constants_is_that_of_the_benchmark() -> None:
    assert {METHODS[name].label for name in tuned_constants.METHODS} == {"PromptPO", "PromptPO tuned"}
    lines = [line.split(" | ") for line in read("promptpo.md").splitlines() if " | PromptPO" in line]
    for task in map(task_for, GAITS):
        shown = {cells[1]: cells for cells in lines if cells[0] == f"| {task.label}"}
        plain, tuned = shown["PromptPO"], shown["PromptPO tuned"]
        assert plain[2:4] == tuned[2:4] == [str(tuned_constants.RUNS), "180"]
        assert float(tuned[4].split(" ± ")[0]) > float(plain[4].split(" ± ")[0])


# ---- analysis.md ----


def test_the_published_options_of_analyses_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = read("analysis.md").split("Options of the published scripts")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)\.py`.*?\| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == 5
    for command, cell in rows:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known = capsys.readouterr().out
        options = re.findall(r"--[a-z][a-z0-9-]+", cell)
        assert options
        assert [option for option in options if f"{option} " not in known and f"{option}\n" not in known] == []


# ---- extending.md ----


def test_the_example_of_a_plugin_runs_as_it_stands(tmp_path: Path) -> None:
    section = read("extending.md").split("## A plugin")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    card, config = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    for name, text in {"mylab.py": code, "tank.yaml": card, "tank_config.yaml": config}.items():
        assert f"`{name}`" in section
        (tmp_path / name).write_text(text, encoding="utf-8")
    run, _ = re.findall(r"^    r2po (.*)$", section, re.MULTILINE)
    small = ["--quiet", "--set", "num_iterations=2", "num_evaluation_episodes=2", "heldout_episodes=2"]
    done = run_commands(tmp_path, [[*shlex.split(run), *small]])
    assert "codes: [0]" in done.stdout, done.stderr
    description = RunDirectory(tmp_path / "logs/tank/run_1").read_description()
    assert (description["method"]["label"], description["task"]["label"]) == ("Two tries", "Water tank")
    assert [plugin["name"] for plugin in description["plugins"]] == ["mylab"]


def test_what_a_plugin_can_register_stands_in_a_table() -> None:
    rows = table_of(read("extending.md"), "thing")
    assert set(rows) == set(REGISTERED)
    assert all(f"`{name}`" in rows[thing][0] for thing, name in REGISTERED.items())


def example_method() -> tuple[str, dict[str, Any]]:
    """Execute the document's example of a method as the module it shows."""
    section = read("extending.md").split("## A method")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    module: dict[str, Any] = {"__name__": "r2po.methods.my_method"}
    exec(compile("from __future__ import annotations\n" + code, "my_method.py", "exec"), module)
    return code, module


def test_a_made_up_method_is_one_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, module = example_method()
    method = module["METHOD"]
    assert method.name not in METHODS
    register(METHODS, method, monkeypatch)
    config = tmp_path / "mine.yaml"
    values = {
        "method": method.name,
        "gym_env_name": "maze-sample-3x3-v0",
        "llm_model_name": "embedded/search",
        "logdir": str(tmp_path / "logs"),
        "num_iterations": 2,
        "num_evaluation_episodes": 2,
        "warmup_episodes": 2,
        "heldout_episodes": 2,
    }
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert main(["run", "--config", str(config), "--quiet"]) == 0
    run = RunDirectory(tmp_path / "logs" / "run_1")
    records, calls = run.read_iterations(), read_calls(run.path)
    assert [[candidate["stage"] for candidate in record["candidates"]] for record in records] == [
        ["first", "second"]
    ] * 2
    assert ["Environment: Maze" in call.prompt for call in calls] == [False, True] * 2
    assert run.read_result()["method"] == "best_of_two"
    assert (run.read_result()["llm_calls"], run.read_result()["episodes"]) == (4, 10)
    capsys.readouterr()
    assert main(["list"]) == 0
    assert "best_of_two" in capsys.readouterr().out


def test_a_made_up_search_is_a_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = read("extending.md").split("## A method")[1].split("\n## ")[0]
    module: dict[str, Any] = {"__name__": "r2po.methods.climb"}
    exec(compile(section.split("```python\n")[2].split("```")[0], "climb.py", "exec"), module)
    method = module["METHOD"]
    register(METHODS, method, monkeypatch)
    config = tmp_path / "climb.yaml"
    values = {"num_iterations": 4, "num_evaluation_episodes": 2, "warmup_episodes": 2, "heldout_episodes": 2}
    names = {"method": method.name, "gym_env_name": "CartPole-v1", "logdir": str(tmp_path / "logs")}
    config.write_text(yaml.safe_dump({**names, **values}), encoding="utf-8")
    assert main(["run", "--config", str(config), "--quiet"]) == 0
    run = RunDirectory(tmp_path / "logs" / "run_1")
    assert (run.read_result()["llm_calls"], run.read_result()["episodes"]) == (0, 2 + 4 * 2)
    assert len({tuple(record["candidates"][0]["params"]) for record in run.read_iterations()}) == 4
