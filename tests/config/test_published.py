"""Config files written for the published code: translated to what our own config of the experiment says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.config import Config, load_config
from r2po.config.published import is_published
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.policies.linear import Linear
from r2po.runlog import RunDirectory
from r2po.tasks import task_for
from tests.builders import CONFIGS
from tests.config.test_config import ROWS

# How the published code might name the task of each method; R2PO's variants share its task.
TASK_NAMES = {
    "props": "llm_num_optim",
    "propsp": "llm_num_optim_semantics",
    "r2po": "reflective_prompted_policy_optimization",
    "reptraj": "reflective",
    "three_traj": "reflective_three_traj",
    "always_critic": "reflective_always_critic",
    "critic_only": "reflective_critic_only",
    "pure_search": "llm_num_optim_pure_search",
    "actor_second_pass": "llm_num_optim_actor_second_pass",
}
FAMILY_NAMES = {"random_features": "_random_features", "projected_mlp": "_random_projection_qr"}
MEANINGLESS = {
    "task": "it chose the method",
    "dim_actions": "read from the environment",
    "dim_states": "read from the environment",
    "max_traj_count": "the history is never cut",
    "template_dir": "prompts are built in",
    "llm_si_template_name": "prompts are built in",
    "llm_output_conversion_template_name": "replies are read by one grammar",
    "critic_si_template_name": "prompts are built in",
    "env_desc_file": "descriptions are built in",
    "render_mode": "runs are not rendered",
    "rerun": "every start is a new run",
    "some_new_key": "unknown key",
}


def published_config(file: str, **changes: Any) -> dict[str, Any]:
    """Return the config of a published experiment as the published code would have it."""
    row = ROWS[file]
    states = "dist" if row["policy"] == "tabular" else "cont"
    values: dict[str, Any] = {
        "task": f"{states}_state_{TASK_NAMES[row['method']]}{FAMILY_NAMES.get(row['policy'], '')}",
        "gym_env_name": row["gym_env_name"],
        "render_mode": None,
        "logdir": row["logdir"],
        "dim_actions": 2,
        "dim_states": 4,
        "max_traj_count": 1000,
        "max_traj_length": int(row["max_traj_length"]),
        "template_dir": "templates",
        "llm_si_template_name": "num_optim.j2",
        "llm_output_conversion_template_name": "parse.j2",
        "critic_si_template_name": "critic.j2",
        "llm_model_name": "ollama/gpt-oss:20b-cloud",
        "num_episodes": int(row["num_iterations"]),
        "num_evaluation_episodes": int(row["num_evaluation_episodes"]),
        "warmup_episodes": int(row["warmup_episodes"]),
        "warmup_dir": None,
        "bias": True,
        "optimum": float(row["optimum"]),
        "search_step_size": None if row["search_step_size"] == "-" else float(row["search_step_size"]),
        "env_desc_file": "description.txt",
        "rerun": False,
        "resume_run": None,
        "some_new_key": 3,
    }
    threshold = row["critic_llm_conservative_threshold"]
    if threshold != "-":
        values["critic_llm_conservative_threshold"] = float(threshold) if threshold else None
    if row["traj_history_last_n"] != "-":
        values["traj_history_last_n"] = int(row["traj_history_last_n"])
    if row["policy_settings"] != "-":
        values |= json.loads(row["policy_settings"])
    return {**values, **changes}


def load(folder: Path, values: Mapping[str, Any], **options: Any) -> tuple[Config, list[str]]:
    """Load a config from a file; return it and the lines that were said."""
    path = folder / "published.yaml"
    path.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    lines: list[str] = []
    config = load_config(path, note=lines.append, **options)
    return config, [line.removeprefix(f"{path}: ") for line in lines]


def complaint(folder: Path, values: Mapping[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- What it means ----


def comparable(config: Config, file: str) -> dict[str, Any]:
    values = config.model_dump()
    row = ROWS[file]
    # What has no effect in this experiment: a dash in the table, or another method's key.
    idle = [key for key in ("announced_iterations",) if row[key] == "-"]
    idle += ["clip_actions"] if row["clips_actions"] == "-" else []
    idle += ["critic_llm_conservative_threshold"] if row["method"] != "r2po" else []
    idle += ["traj_history_last_n"] if row["method"] not in ("reptraj", "always_critic", "critic_only") else []
    # Ours leaves the published settings of a policy to their defaults.
    idle += ["policy_settings"]
    return {key: value for key, value in values.items() if key not in idle}


@pytest.mark.parametrize("protocol", ["published", "controlled"])
@pytest.mark.parametrize("file", ROWS)
def test_it_means_what_our_own_config_of_the_experiment_says(file: str, protocol: str, tmp_path: Path) -> None:
    ours = load_config(CONFIGS / file, protocol=protocol)
    config, lines = load(tmp_path, published_config(file), protocol=protocol)
    assert comparable(config, file) == comparable(ours, file)
    if ROWS[file]["policy_settings"] != "-":
        published = json.loads(ROWS[file]["policy_settings"])
        assert config.policy_settings == {key: published[key] for key in published if "activation" not in key}
    assert lines[0] == f"written for the published code; read as method: {ROWS[file]['method']}"
    assert len(lines) == len(set(lines)) == 2 + len(MEANINGLESS)
    assert f"num_episodes counted iterations; read as num_iterations: {config.num_iterations}" in lines
    for key, reason in MEANINGLESS.items():
        assert sum(line.startswith(f"{key} has no meaning here ({reason}") for line in lines) == 1, key


def test_overrides_and_options_win_over_it(tmp_path: Path) -> None:
    values = published_config("maze/maze_reptraj.yaml")
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    config = load_config(path, ["optimum=0.5", "num_iterations=7"], seed=3)
    assert (config.optimum, config.num_iterations, config.seed) == (0.5, 7, 3)


@pytest.mark.parametrize(("name", "temperature"), [("ollama:qwen3:8b", 0), ("ollama/tiny", 0), ("gpt-4o", None)])
def test_the_published_code_sampled_at_temperature_zero_with_ollama(
    name: str, temperature: float | None, tmp_path: Path
) -> None:
    values = published_config("maze/maze_props.yaml", llm_model_name=name)
    assert load(tmp_path, values)[0].temperature == temperature
    assert load(tmp_path, {**values, "temperature": 0.7})[0].temperature == 0.7


def test_the_environments_own_numbers_of_tables_are_not_needed(tmp_path: Path) -> None:
    keys = {"num_states": 11, "num_actions": 3, "actions": [1, 2, 3], "states": [0, 1], "rank": 10}
    config, lines = load(tmp_path, published_config("nim/nim_props.yaml", **keys))
    assert config.policy == "tabular"
    for key in keys:
        assert sum(line.startswith(f"{key} has no meaning here (read from the ") for line in lines) == 1


# ---- Which method ----


@pytest.mark.parametrize("prefix", ["cont_state_", "dist_state_", ""])
@pytest.mark.parametrize("method", TASK_NAMES)
def test_the_method_is_recognised_by_the_task(method: str, prefix: str, tmp_path: Path) -> None:
    values = published_config("maze/maze_props.yaml", task=prefix + TASK_NAMES[method], logdir="logs/mine")
    assert load(tmp_path, values)[0].method == method


@pytest.mark.parametrize("task", ["something_else", None])
@pytest.mark.parametrize("file", ROWS)
def test_or_by_the_log_directory(file: str, task: str | None, tmp_path: Path) -> None:
    assert load(tmp_path, published_config(file, task=task))[0].method == ROWS[file]["method"]


def test_the_folders_of_a_log_directory_count_from_the_last(tmp_path: Path) -> None:
    values = published_config("maze/maze_props.yaml", task=None)
    assert load(tmp_path, {**values, "logdir": "logs/reflective/maze_pure_search"})[0].method == "pure_search"
    assert load(tmp_path, {**values, "logdir": "logs/maze_propsp/again/"})[0].method == "propsp"


def test_a_method_that_is_named_counts(tmp_path: Path) -> None:
    assert load(tmp_path, published_config("maze/maze_props.yaml", method="three_traj"))[0].method == "three_traj"


def test_a_method_that_cannot_be_told(tmp_path: Path) -> None:
    said = complaint(tmp_path, published_config("maze/maze_props.yaml", task="cont_state_magic", logdir="logs/mine"))
    assert said.endswith(
        "cannot tell the method from task 'cont_state_magic' and logdir 'logs/mine'; add the key method"
    )


@pytest.mark.parametrize("mark", ["task", "num_episodes", "llm_si_template_name", "max_traj_count"])
def test_what_gives_a_published_config_away(mark: str) -> None:
    assert is_published({"gym_env_name": "CartPole-v1", mark: None})
    assert not is_published({"gym_env_name": "CartPole-v1", "method": "props"})


# ---- What is left out ----


def without(file: str, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in published_config(file).items() if key not in keys}


def test_without_a_threshold_there_is_no_revision_rule(tmp_path: Path) -> None:
    file, key = "pong/pong_reflective_prompted_policy_optimization.yaml", "critic_llm_conservative_threshold"
    config, lines = load(tmp_path, without(file, key))
    assert config.critic_llm_conservative_threshold is None
    assert f"{key} is left out; in the published code that means none" in lines
    assert load(tmp_path, published_config(file))[0].critic_llm_conservative_threshold == 2.8


def test_without_the_key_there_is_no_bias(tmp_path: Path) -> None:
    config, lines = load(tmp_path, without("pong/pong_props.yaml", "bias"))
    assert not config.bias
    assert "bias is left out; in the published code that means none" in lines
    setting = Setting(config, seed=1)
    setting.close()
    assert isinstance(setting.policy, Linear)
    assert setting.policy.size == 15, "5 dimensions times 3 actions"
    assert not any("bias" in line for line in load(tmp_path, without("maze/maze_props.yaml", "bias"))[1])


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("pong/pong_props.yaml", "search_step_size", 0.1),
        ("pong/pong_props.yaml", "optimum", 1000),
        ("maze/maze_r2po.yaml", "optimum", 1000),
        ("swimmer/swimmer_props_random_projection_qr.yaml", "optimum", 1000),
    ],
)
def test_what_is_left_out_means_what_it_meant_there(file: str, key: str, value: float, tmp_path: Path) -> None:
    file = file.replace("_r2po", "_reflective_prompted_policy_optimization")
    config, lines = load(tmp_path, without(file, key))
    assert getattr(config, key) == value
    assert f"{key} is left out; in the published code that means {value:g}" in lines
    controlled = load(tmp_path, without(file, key), protocol="controlled")[0]
    assert getattr(controlled, key) == getattr(task_for(config.gym_env_name), key)


def test_tables_have_no_step_size(tmp_path: Path) -> None:
    config, lines = load(tmp_path, without("maze/maze_props.yaml", "search_step_size"))
    assert config.search_step_size is None
    assert not any("search_step_size" in line for line in lines)


# ---- The study of tau_c ----


@pytest.mark.parametrize(
    "changes",
    [
        {"logdir": "logs/pong_tau_c_sensitivity_half"},
        {"task": "cont_state_tau_c_sensitivity"},
        {"critic_si_template_name": "critic_tau_c.j2"},
    ],
)
def test_the_study_gives_the_revision_rule_as_an_order(changes: dict[str, str], tmp_path: Path) -> None:
    file = "pong/pong_reflective_prompted_policy_optimization.yaml"
    config = load(tmp_path, published_config(file, **changes))[0]
    assert (config.method, config.revision_rule) == ("r2po", "order")
    assert load(tmp_path, published_config(file))[0].revision_rule is None


# ---- Which policy ----


@pytest.mark.parametrize(
    ("task", "policy"),
    [
        ("cont_state_llm_num_optim", "linear"),
        ("cont_space_llm_num_optim", "linear"),
        ("cont_state_llm_num_optim_random_projection_qr", "projected_mlp"),
        ("cont_state_llm_num_optim_random_features_tanh", "random_features"),
    ],
)
def test_the_policy_is_recognised_by_the_task_and_not_by_a_key(task: str, policy: str, tmp_path: Path) -> None:
    """Swimmer's config of one family, with the settings of the other."""
    for file in ("props_random_projection_qr", "propsp_random_features_tanh_same_dim"):
        values = published_config(f"swimmer/swimmer_{file}.yaml", task=task, logdir="logs/props")
        config, lines = load(tmp_path, values)
        assert config.policy == policy
        idle = {key for key in values if key.endswith("_seed_base") and key not in config.policy_settings}
        for key in idle:
            (line,) = (line for line in lines if line.startswith(f"{key} has no meaning here (it is for "))
            assert line.endswith(f"the task has {policy} policies); ignored")


def test_tables_are_recognised_by_the_task(tmp_path: Path) -> None:
    values = published_config("maze/maze_props.yaml", task="dist_state_llm_num_optim", hidden_dim=4)
    assert load(tmp_path, values)[0].policy == "tabular"


@pytest.mark.parametrize(
    "file",
    [
        "swimmer/swimmer_props_random_projection_qr.yaml",
        "swimmer/swimmer_propsp_random_features_tanh_same_dim.yaml",
    ],
)
@pytest.mark.parametrize(
    "changes", [{}, {"logdir": "logs/mine"}, {"task": None}, {"task": "llm_num_optim", "logdir": "logs/mine"}]
)
def test_a_task_that_tells_no_policy_leaves_it_to_the_settings(
    file: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    config, lines = load(tmp_path, published_config(file, **changes))
    assert config.policy == ROWS[file]["policy"]
    assert not any("seed_base" in line or "param_m" in line or "activation" in line for line in lines)


def test_a_policy_that_is_named_counts(tmp_path: Path) -> None:
    values = published_config("swimmer/swimmer_props_random_projection_qr.yaml", task="cont_state_llm_num_optim")
    assert load(tmp_path, {**values, "policy": "projected_mlp"})[0].policy == "projected_mlp"


@pytest.mark.parametrize(
    ("file", "key", "value", "told"),
    [
        ("swimmer/swimmer_props_random_projection_qr.yaml", "projection_seed", 3, "it would have fixed the frozen"),
        ("swimmer/swimmer_props_random_projection_qr.yaml", "decoded_weight_scale", 2, "it would have multiplied"),
        (
            "mountaincar/mountaincar_propsp.yaml",
            "env_desc_file",
            "mountaincar_more_hints.j2",
            "it would have told more hints than the description: accelerate in the direction of the velocity;",
        ),
        (
            "cartpole/cartpole_propsp.yaml",
            "env_desc_file",
            "cartpole_more_hints.j2",
            "it would have told more hints than the description; descriptions",
        ),
    ],
)
def test_what_a_key_would_have_done_is_said(file: str, key: str, value: object, told: str, tmp_path: Path) -> None:
    lines = load(tmp_path, published_config(file, **{key: value}))[1]
    assert sum(line.startswith(f"{key} has no meaning here ({told}") for line in lines) == 1


@pytest.mark.parametrize("key", ["activation", "feature_activation"])
def test_another_activation_is_refused(key: str, tmp_path: Path) -> None:
    values = published_config("swimmer/swimmer_props_random_projection_qr.yaml", **{key: "relu"})
    assert complaint(tmp_path, values).endswith(f"{key} is 'relu'; only tanh is known here")


# ---- What is refused ----


def test_a_warm_up_from_a_folder_is_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, published_config("maze/maze_props.yaml", warmup_dir="logs/warmup"))
    assert "warmup_dir is 'logs/warmup'; warm-up policies are drawn from the run's seed" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gym_env_name": "Maze-v0"}, "unknown environment 'Maze-v0'"),
        ({"num_episodes": 0}, "num_iterations is 0;"),
        ({"num_episodes": "many"}, "num_iterations is 'many';"),
        ({"resume_run": -1}, "resume_run is -1;"),
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"warmup_episodes": -1}, "warmup_episodes is -1;"),
    ],
)
def test_impossible_values_are_errors_as_in_any_config(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in complaint(tmp_path, published_config("maze/maze_props.yaml", **changes))


# ---- From the command line ----


@pytest.fixture
def published_file(tmp_path: Path) -> Path:
    values = published_config("maze/maze_reptraj.yaml", resume_run=4)
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def arguments(path: Path, *more: str) -> list[str]:
    small = ["num_iterations=1", "num_evaluation_episodes=2", "heldout_episodes=0", "warmup_episodes=1"]
    return [
        "run",
        "--config",
        str(path),
        *more,
        "--set",
        "llm_model_name=embedded/search",
        f"logdir={path.parent / 'logs'}",
        *small,
    ]


def test_a_run_to_resume_that_does_not_exist(published_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(published_file, "--quiet")) == 2
    logs = published_file.parent / "logs"
    assert capsys.readouterr().err == f"error: cannot resume run_4 in {logs}: found no runs\n"
    assert not logs.exists()


def test_fresh_starts_a_new_run_in_spite_of_it(published_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        assert main(arguments(published_file, "--quiet", "--fresh")) == 0
        run = RunDirectory(published_file.parent / "logs" / f"run_{number}")
        assert run.read_result()["method"] == "reptraj"
        assert run.read_description()["config"]["resume_run"] is None
    assert main(arguments(published_file, "--quiet")) == 2
    assert "cannot resume run_4" in capsys.readouterr().err


def test_fresh_and_resume_contradict_each_other(published_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments(published_file, "--fresh", "--resume", "1"))
    assert caught.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_what_means_nothing_is_said_once_per_key(published_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(published_file, "--fresh")) == 0
    captured = capsys.readouterr()
    said = " ".join((captured.out + captured.err).split())
    for key in MEANINGLESS:
        assert said.count(f"{key} has no meaning here") == 1, key
