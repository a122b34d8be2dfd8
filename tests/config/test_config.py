"""Configs: the published settings column by column, precedence, and one clear line for everything that is wrong."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from r2po.cli import main
from r2po.cli.starting import count
from r2po.config import Config, CriticSettings, differences, load_config, resolve
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.installation import call
from r2po.llm.accounting import Prices
from r2po.methods import METHODS
from r2po.policies.projected_mlp import ProjectedMLP
from r2po.policies.random_features import RandomFeatures
from r2po.tasks import TASKS, task_for
from tests.builders import CONFIGS, register

PUBLISHED_SETTINGS = resources.files("r2po") / "data" / "published_settings.csv"
ROWS = {row["config"]: row for row in csv.DictReader(PUBLISHED_SETTINGS.read_text(encoding="utf-8").splitlines())}
EXPERIMENTS = [path for path in CONFIGS.glob("*/*.yaml") if path.parent.name != "sb3_baselines"]
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in EXPERIMENTS)
EXAMPLE = {"gym_env_name": "CartPole-v1", "method": "props", "llm_model_name": "ollama/tiny", "logdir": "logs/x"}

PROPS_SETTINGS = resources.files("r2po") / "data" / "published_props_settings.csv"
PROPS_ROWS = [
    (row, method)
    for row in csv.DictReader(PROPS_SETTINGS.read_text(encoding="utf-8").splitlines())
    for method in ("props", "propsp")
]

each_published_config = pytest.mark.parametrize("file", [file for file in FILES if file in ROWS])
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config file: the example's keys, changed; or a text as it is."""

    def write_config(text: str | None = None, **changes: Any) -> Path:
        path = tmp_path / "example.yaml"
        path.write_text(yaml.safe_dump({**EXAMPLE, **changes}) if text is None else text, encoding="utf-8")
        return path

    return write_config


def complaint(path: Path | str, *overrides: str, **options: Any) -> str:
    """Load a config that cannot be used; return what is said about it."""
    with pytest.raises(InputError) as caught:
        load_config(path, overrides, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- The published experiments ----


def test_every_published_experiment_has_its_config() -> None:
    assert len(ROWS) == 99
    assert set(ROWS) <= set(FILES)


@each_published_config
def test_a_config_equals_its_published_row(file: str) -> None:
    row, config = ROWS[file], load_config(CONFIGS / file)
    for key in ("gym_env_name", "method", "policy", "logdir"):
        assert getattr(config, key) == row[key], key
    for key in ("num_iterations", "num_evaluation_episodes", "warmup_episodes", "max_traj_length"):
        assert getattr(config, key) == int(row[key]), key
    assert config.optimum == float(row["optimum"])
    assert config.search_step_size == (None if row["search_step_size"] == "-" else float(row["search_step_size"]))
    # A dash: the setting does nothing there. Empty: there is no threshold.
    if row["announced_iterations"] != "-":
        assert config.announced_iterations == int(row["announced_iterations"])
    threshold = row["critic_llm_conservative_threshold"]
    if threshold != "-":
        assert config.critic_llm_conservative_threshold == (float(threshold) if threshold else None)
    if row["clips_actions"] != "-":
        assert config.clip_actions == (row["clips_actions"] == "yes")
    if METHODS[config.method].shows_excerpts:
        assert config.traj_history_last_n == int(row["traj_history_last_n"])
    assert config.protocol == "published"
    assert config.heldout_episodes == 100
    assert config.bias
    assert config.description == "published"
    # The study of tau_c tells its critic the rule in the words of tables, which is stronger.
    assert config.revision_rule == ("order" if "tau_c" in file else None)
    assert (config.llm_model_name, config.temperature) == ("ollama/gpt-oss:20b-cloud", 0)


@pytest.mark.parametrize("file", [file for file, row in ROWS.items() if row["policy_settings"] != "-"])
def test_the_settings_of_a_policy_equal_the_published_ones(file: str) -> None:
    setting = Setting(load_config(CONFIGS / file), seed=1)
    setting.close()
    assert isinstance(setting.policy, ProjectedMLP | RandomFeatures)
    # The activation is no choice here: both families use tanh.
    published = {**setting.policy.settings.model_dump(), "activation": "tanh", "feature_activation": "tanh"}
    for key, value in json.loads(ROWS[file]["policy_settings"]).items():
        assert published[key] == value, key


@pytest.mark.parametrize("file", [file for file in FILES if file in ROWS and "tau_c" not in file])
def test_the_controlled_protocol_is_the_setting_of_r2po(file: str) -> None:
    row, config = ROWS[file], load_config(CONFIGS / file, protocol="controlled")
    (reference,) = (
        other
        for other in ROWS.values()
        if other["method"] == "r2po" and other["gym_env_name"] == row["gym_env_name"] and "tau_c" not in other["config"]
    )
    assert config.warmup_episodes == int(reference["warmup_episodes"])
    assert config.max_traj_length == int(reference["max_traj_length"])
    assert config.optimum == float(reference["optimum"])
    assert config.critic_llm_conservative_threshold == float(reference["critic_llm_conservative_threshold"])
    assert config.announced_iterations == config.num_iterations == int(row["num_iterations"])
    assert config.clip_actions


# ---- The experiments of the ProPS paper ----


@pytest.mark.parametrize(("row", "method"), PROPS_ROWS)
def test_a_config_equals_its_row_of_the_props_paper(row: Mapping[str, str], method: str) -> None:
    ending = f"_{method}_published.yaml"
    files = [file for file in FILES if file.endswith(ending) and folder(file) == row["environment"]]
    if row["environment"] == "navigation":
        assert not files, "docs/tasks.md says that we lack it"
        return
    (file,) = files
    config = load_config(CONFIGS / file)
    assert (config.method, config.policy, config.llm_model_name) == (method, row["policy"], "gpt-4o")
    assert task_for(config.gym_env_name).name == row["environment"]
    assert config.gym_env_name == ("CliffWalkingSlippery-v1" if row["environment"] == "cliffwalking" else row["gym_id"])
    assert config.num_iterations == config.announced_iterations == int(row[f"{method}_iterations"])
    assert config.warmup_episodes == int(row[f"{method}_warmup"])
    assert config.optimum == float(row[f"{method}_optimum"])
    assert config.search_step_size == (float(row["props_step"]) if row["props_step"] else None)
    of_propsp = row["note"].removeprefix("ProPS+ cap ").split(" and K = ") if method == "propsp" else []
    special = of_propsp if row["note"].startswith("ProPS+ cap ") else []
    cap, episodes = [*special, row["cap"], "20"][:1], [*special[1:], "20"][:1]
    assert (config.max_traj_length, config.num_evaluation_episodes) == (int(cap[0]), int(episodes[0]))
    setting = Setting(config, seed=1)
    setting.close()
    assert setting.policy.size == int(row["parameters"])  # type: ignore[attr-defined]


def folder(file: str) -> str:
    return file.split("/")[0].replace("_", "")


@pytest.mark.parametrize("file", FILES)
def test_every_config_loads_under_both_protocols_and_names_its_own_log(file: str) -> None:
    config = load_config(CONFIGS / file)
    assert load_config(CONFIGS / file, protocol="controlled").logdir == config.logdir
    assert config.logdir.startswith("logs/")
    assert file.split("/")[0].replace("_", "") == task_for(config.gym_env_name).name.replace("_", "")


def test_no_two_configs_share_a_log() -> None:
    logs = [load_config(CONFIGS / file).logdir for file in FILES]
    assert len(set(logs)) == len(logs)


# ---- What is left out, and what wins ----


def test_what_is_left_out_comes_from_the_task_and_the_method(write: Write) -> None:
    config, task = load_config(write(method="r2po")), TASKS["cartpole"]
    assert (config.warmup_episodes, config.max_traj_length) == (task.warmup_episodes, task.max_traj_length)
    assert (config.optimum, config.search_step_size) == (task.optimum, task.search_step_size)
    assert config.critic_llm_conservative_threshold == task.conservative_threshold
    assert (config.policy, config.num_iterations, config.announced_iterations) == ("linear", 100, 100)
    assert config.sampling == {}


def test_the_later_wins(write: Write) -> None:
    path = write(optimum=1, warmup_episodes=1, seed=1, published={"optimum": 2, "warmup_episodes": 2})
    config = load_config(path, ["warmup_episodes=3", "seed=3"], seed=4)
    assert (config.optimum, config.warmup_episodes, config.seed) == (2, 3, 4)
    config = load_config(path, ["warmup_episodes=3"], protocol="controlled")
    assert (config.optimum, config.warmup_episodes, config.seed) == (1, 3, 1)
    assert load_config(path, ["warmup_episodes=3", "warmup_episodes=5"]).warmup_episodes == 5


@pytest.mark.parametrize("where", ["file", "override", "option"])
def test_the_published_section_follows_the_protocol_wherever_it_is_set(where: str, write: Write) -> None:
    file = {"protocol": "controlled"} if where == "file" else {}
    path = write(optimum=1, published={"optimum": 2}, **file)
    overrides = ["protocol=controlled"] if where == "override" else []
    option = "controlled" if where == "option" else None
    assert load_config(path, overrides, protocol=option).optimum == 1
    assert load_config(path, protocol="published").optimum == 2


def test_the_announced_iterations_follow_the_number_that_is_run(write: Write) -> None:
    config = load_config(write(), ["num_iterations=7"])
    assert (config.num_iterations, config.announced_iterations) == (7, 7)
    config = load_config(write(published={"announced_iterations": 400}), ["num_iterations=7"])
    assert (config.num_iterations, config.announced_iterations) == (7, 400)


def test_sampling_settings_that_are_set(write: Write) -> None:
    assert load_config(write(temperature=0, think=False)).sampling == {"temperature": 0.0, "think": False}


@pytest.mark.parametrize("key", ["critic_llm_conservative_threshold", "announced_iterations"])
def test_an_explicit_null_that_says_something(key: str, write: Write) -> None:
    assert getattr(load_config(write(**{key: None})), key) is None
    assert getattr(load_config(write(), [f"{key}=null"]), key) is None
    assert getattr(load_config(write()), key) is not None


@pytest.mark.parametrize(
    "key", ["num_iterations", "policy", "warmup_episodes", "max_traj_length", "optimum", "search_step_size"]
)
def test_any_other_null_leaves_the_default(key: str, write: Write) -> None:
    assert getattr(load_config(write(**{key: None})), key) == getattr(load_config(write()), key) is not None


def test_arguments_of_the_environment_add_to_those_of_its_task(write: Write) -> None:
    name = TASKS["mazerandom"].gym_id
    assert load_config(write(gym_env_name=name)).env_kwargs == {"size": 5, "maze_seed": 0}
    assert load_config(write(gym_env_name=name, env_kwargs={"size": 7})).env_kwargs == {"size": 7, "maze_seed": 0}
    assert load_config(write(gym_env_name=name, env_kwargs=None)).env_kwargs == {"size": 5, "maze_seed": 0}


def test_a_config_without_a_published_section_may_say_so(write: Write) -> None:
    assert load_config(write(published=None)) == load_config(write())


# ---- What is wrong ----


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"warmup_episode": 3}, "unknown key 'warmup_episode' (did you mean 'warmup_episodes'?)"),
        ({"published": {"optimun": 3}}, "section 'published': unknown key 'optimun' (did you mean 'optimum'?)"),
        ({"method": "propps"}, "unknown method 'propps' (did you mean 'props'?)"),
        ({"gym_env_name": "CartPole-v7"}, "unknown environment 'CartPole-v7' (did you mean 'CartPole-v1'?)"),
        ({"gym_env_name": "cartpole"}, "unknown environment 'cartpole' (did you mean 'CartPole-v1'?)"),
        ({"policy": "tabulra"}, "unknown policy 'tabulra' (did you mean 'tabular'?)"),
        ({"protocol": "fair"}, "protocol is 'fair'; input should be 'published' or 'controlled'"),
        ({"num_iterations": 0}, "num_iterations is 0; input should be greater than or equal to 1"),
        ({"num_iterations": "many"}, "num_iterations is 'many'; input should be a valid integer"),
        ({"num_evaluation_episodes": 2.5}, "num_evaluation_episodes is 2.5; input should be a valid integer"),
        ({"warmup_episodes": -1}, "warmup_episodes is -1; input should be greater than or equal to 0"),
        ({"optimum": float("nan")}, "optimum is nan; input should be a finite number"),
        ({"search_step_size": 0}, "search_step_size is 0; input should be greater than 0"),
        ({"temperature": -0.1}, "temperature is -0.1; input should be greater than or equal to 0"),
        ({"top_p": 1.5}, "top_p is 1.5; input should be less than or equal to 1"),
        ({"seed": -1}, "seed is -1; input should be greater than or equal to 0"),
        ({"env_kwargs": [1]}, "env_kwargs is [1]; input should be a valid dictionary"),
        ({"gym_env_name": None}, "gym_env_name is None; input should be a valid string"),
        ({"published": 3}, "'published' is 3; expected a section of keys"),
        ({"published": False}, "'published' is False; expected a section of keys"),
        ({"published": []}, "'published' is []; expected a section of keys"),
        (
            {"keep_trajectories": "some"},
            "keep_trajectories is 'some'; input should be 'none', 'auto', 'shown' or 'all'",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes: dict[str, Any], said: str, write: Write) -> None:
    assert said in complaint(write(**changes))


@pytest.mark.parametrize("key", EXAMPLE)
def test_a_key_that_is_missing(key: str, write: Write) -> None:
    text = yaml.safe_dump({name: value for name, value in EXAMPLE.items() if name != key})
    assert f"key '{key}' is missing" in complaint(write(text))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "--set 'seed': expected key=value"),
        ("=3", "--set '=3': expected key=value"),
        ("seed=[1", "--set 'seed=[1': the value is not valid YAML"),
        ("seed=2001-13-45", "--set 'seed=2001-13-45': the value is not valid YAML"),
        ("sed=1", "unknown key 'sed' (did you mean 'seed'?)"),
        ("seed=x", "seed is 'x'; input should be a valid integer"),
        ("published={optimum: 1}", "unknown key 'published'"),
        ("critic.sampling.top_p=1", "unknown key 'critic.sampling.top_p'"),
        ("history.las=1", "unknown key 'history.las' (did you mean 'history.last'?)"),
    ],
)
def test_wrong_overrides(override: str, said: str, write: Write) -> None:
    assert said in complaint(write(), override)


def test_values_of_overrides_are_yaml(write: Write) -> None:
    config = load_config(write(), ["optimum=1e3", " seed = 5", "policy_settings={a: b=c}", "logdir=logs/a=b"])
    assert (config.seed, config.policy_settings, config.logdir) == (5, {"a": "b=c"}, "logs/a=b")
    assert config.optimum == 1000.0


@pytest.mark.parametrize(("text", "seed"), [("010", 10), ("08", 8), ("8", 8), ("0", 0), ("1_000", 1000), ("007", 7)])
def test_a_seed_is_the_same_number_in_a_config_in_an_override_and_in_an_option(
    text: str, seed: int, write: Write
) -> None:
    name = next(iter(EXAMPLE))
    content = yaml.safe_dump({key: value for key, value in EXAMPLE.items() if key != "seed"}) + f"seed: {text}\n"
    assert name in content
    assert [load_config(write(content)).seed, load_config(write(), [f"seed={text}"]).seed, count(text, 0)] == [seed] * 3


@pytest.mark.parametrize("text", ["0x10", "0b11", "0o7", "1:30", "8a", "1__0", "\u0663"])
def test_what_is_no_decimal_number_is_no_seed_anywhere(text: str, write: Write) -> None:
    assert "seed is " in complaint(write(), f"seed={text}")
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
        count(text, 0)


def test_one_setting_of_a_policy_or_an_environment_can_be_set(write: Write) -> None:
    path = write(yaml.safe_dump({**EXAMPLE, "policy_settings": {"obs_clip": 3.0}}))
    config = load_config(path, ["policy_settings.hidden_dim=6", "policy_settings.a.b=1", "policy_settings.obs_clip=2"])
    assert config.policy_settings == {"obs_clip": 2, "hidden_dim": 6, "a": {"b": 1}}
    assert "unknown key 'optimum.x'" in complaint(path, "optimum.x=1")


def test_a_config_of_stable_baselines_is_sent_to_its_command() -> None:
    path = CONFIGS / "sb3_baselines" / "nim_sb3.yaml"
    command = call("sb3_baselines", "--config", str(path))
    assert complaint(path) == f"{path} is a config of Stable-Baselines3: run it with {command}"


def test_an_exponent_makes_a_number_at_any_depth(write: Write) -> None:
    config = load_config(write(), ["policy_settings={a: 1e-3, b: [2E4, -.5e+1], c: 1.e3, d: 1e, e: .inf, f: 012.50}"])
    assert config.policy_settings == {"a": 0.001, "b": [20000.0, -5.0], "c": 1000.0, "d": "1e", "e": inf, "f": 12.5}


@pytest.mark.parametrize("text", ["a: 1\nseed: 1\nseed: 2\n", "published:\n  seed: 1\n  seed: 2\n"])
def test_a_key_that_stands_twice(text: str, write: Write) -> None:
    said = complaint(write(text))
    assert "key 'seed' appears twice" in said
    assert "line 3" in said


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "NoneType"), ("# nothing", "NoneType"), ("- a\n- b", "list"), ("hello", "str"), ("3", "int")],
)
def test_a_file_that_is_no_mapping(text: str, found: str, write: Write) -> None:
    assert f"expected a mapping of keys to values, found {found}" in complaint(write(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "\tseed: 1",
        "seed: 2001-13-45",
        "seed: 0x_",
        "seed: !!int abc",
        "seed: !!float abc",
        "seed: !!timestamp abc",
        "seed: !!bool abc",
        "seed: !!python/object/apply:os.getcwd []",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "seed: {[a]: b}",
        "seed: *nothing",
        "a: " + "[" * 5000,
        "a: " + "1" * 5000,
        "--- 1\n--- 2",
        "seed: !unknown 1",
        "<<: 3",
    ],
)
def test_broken_yaml(text: str, write: Write) -> None:
    complaint(write(text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot read config" in complaint(path)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    assert "cannot read config" in complaint(tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parent)
    assert complaint("configs/cartpole/cartpole_prop.yaml") == (
        "no config file 'configs/cartpole/cartpole_prop.yaml' (did you mean 'configs/cartpole/cartpole_props.yaml'?)"
    )
    assert "did you mean 'configs/cartpole/cartpole_props.yaml'" in complaint("configs/cartpol/cartpole_props.yaml")
    assert complaint(tmp_path / "nothing" / "at-all.yaml").startswith("no config file ")


# ---- Anything at all ----

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates() | st.binary()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(sorted(Config.model_fields))


@given(st.dictionaries(keys | st.just("published"), anything, max_size=4), st.booleans())
@settings(max_examples=200)
@example({"think": 3.5}, False)
@example({"env_kwargs": {1: 2}}, False)
def test_any_value_is_used_or_refused_in_one_line(values: dict[str, Any], complete: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_text(yaml.safe_dump({**(EXAMPLE if complete else {}), **values}), encoding="utf-8")
        assert_used_or_refused(path)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}?!&*|>#'\"\n ,.0x19_<=%@~e"), max_size=40) | st.text(max_size=20))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_text(text, encoding="utf-8")
        assert_used_or_refused(path)


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_any_override_is_used_or_refused_in_one_line(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_text(yaml.safe_dump(EXAMPLE), encoding="utf-8")
        assert_used_or_refused(path, text, f"seed={text}", f"env_kwargs={text}")


def assert_used_or_refused(path: Path, *overrides: str) -> None:
    for chosen in [[override] for override in overrides] or [[]]:
        refused, config = outcome(path, chosen)
        assert len(refused.splitlines()) == (0 if config else 1)
        assert not config or (config.num_iterations and config.max_traj_length and config.policy)


def outcome(path: Path, overrides: list[str]) -> tuple[str, Config | None]:
    """Return what is said against a config, or the config."""
    try:
        return "", load_config(path, overrides)
    except InputError as error:
        return str(error), None


# ---- Resuming ----


PRICES = {"input": 3, "output": 4}
CRITIC = {"temperature": 0, "prices": PRICES}
WITH_CRITIC: dict[str, Any] = {"method": "r2po"}


def test_the_critic_has_what_the_search_has_but_for_its_own_keys(write: Write) -> None:
    values = {**WITH_CRITIC, "temperature": 0.5, "top_p": 0.9, "num_ctx": 9000, "critic_llm_model_name": "big"}
    config = load_config(write(**values, critic={**CRITIC, "top_p": None, "num_ctx": 9000}))
    critic = config.for_role("critic")
    assert (critic.llm_model_name, critic.sampling, critic.num_ctx) == ("big", {"temperature": 0.0}, 9000)
    assert critic.prices == Prices.model_validate(PRICES)
    assert (config.prices, config.missing_prices, config.for_role("search")) == (None, "prices", config)
    logged = config.model_dump(mode="json")
    # What is the search's anyway is not logged; nulls that say something are.
    assert list(logged["critic"]) == ["temperature", "top_p", "prices"]
    assert resolve(logged, "log").model_dump(mode="json") == logged


def test_keys_of_the_critic_that_say_nothing_else_than_the_search_are_no_difference(write: Write) -> None:
    plain = load_config(write(**WITH_CRITIC, temperature=0.5))
    same = {"critic_llm_model_name": EXAMPLE["llm_model_name"], "critic": {"temperature": 0.5, "top_p": None}}
    config = load_config(write(**WITH_CRITIC, temperature=0.5, **same))
    assert config.model_dump() == plain.model_dump()
    assert config.for_role("critic") is config


BASE_URL = "http://gpu1:8000/v1"


@pytest.mark.parametrize(
    ("model", "critic", "asked", "logged"),
    [
        ("big", {}, BASE_URL, None),
        ("openai:claude", {}, BASE_URL, None),
        ("claude-x", {}, None, {"base_url": None}),
        ("ollama/x", {"base_url": BASE_URL}, BASE_URL, {"base_url": BASE_URL}),  # a gateway that speaks both protocols
        ("big", {"base_url": BASE_URL}, BASE_URL, None),
        ("big", {"base_url": None}, None, {"base_url": None}),
        ("big", {"base_url": "https://gw.example"}, "https://gw.example", {"base_url": "https://gw.example"}),
    ],
)
def test_the_server_of_the_search_is_the_critics_if_it_is_asked_in_the_same_protocol(
    model: str, critic: dict[str, Any], asked: str | None, logged: dict[str, Any] | None, write: Write
) -> None:
    names = {"llm_model_name": "openai:small", "base_url": BASE_URL, "critic_llm_model_name": model}
    config = load_config(write(**WITH_CRITIC, **names, **({"critic": critic} if critic else {})))
    assert config.for_role("critic").base_url == asked
    dumped = config.model_dump(mode="json")
    assert dumped["critic"] == logged
    assert resolve(dumped, "log").model_dump(mode="json") == dumped
    assert differences(dumped, {**dumped, "base_url": None, "critic": None}) == []  # a server may move


@pytest.mark.parametrize("key", ["base_url", "critic.base_url"])
@pytest.mark.parametrize("url", ["gpu1:8000", "http://gpu1:8000?x", "https://a@gpu1", "https://127.1/v1", "''", "7"])
def test_what_is_no_address_of_a_server(key: str, url: str, write: Write) -> None:
    said = complaint(write(**WITH_CRITIC), f"{key}={url}")
    assert f"{key} is " in said
    assert len(said.splitlines()) == 1


def test_one_key_of_the_critic_can_be_overridden(write: Write) -> None:
    path = write(**WITH_CRITIC, critic=CRITIC)
    config = load_config(path, ["critic.top_p=0.5", "critic.prices.input=9", "critic.prices.cached=1"])
    assert config.critic == CriticSettings(temperature=0, top_p=0.5, prices=Prices(input=9, output=4, cached=1))
    assert load_config(path, ["critic=null"]).critic is None
    assert complaint(write(**WITH_CRITIC), "critic.prices.input=9").endswith("key 'critic.prices.output' is missing")


def test_prices_of_the_critic_may_change_and_its_settings_may_not(write: Write) -> None:
    path = write(**WITH_CRITIC, critic=CRITIC)
    before = load_config(path).model_dump(mode="json")
    for override, changed in {
        "critic.prices.input=9": [],
        "critic.temperature=1": ["critic"],
        "critic={prices: {input: 1, output: 1}}": ["critic"],
        "critic_llm_model_name=big": ["critic_llm_model_name"],
    }.items():
        assert differences(before, load_config(path, [override]).model_dump(mode="json")) == changed
    only_prices = load_config(path, ["critic={prices: {input: 1, output: 1}}"]).model_dump(mode="json")
    assert differences({**before, "critic": None}, only_prices) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"critic": {"temprature": 1}}, "unknown key 'critic.temprature' (did you mean 'critic.temperature'?)"),
        ({"critic": {"temperature": -1}}, "critic.temperature is -1"),
        ({"critic": {"top_p": True}}, "neither true nor false"),
        ({"critic": {"prices": {"inptu": 1}}}, "key 'critic.prices.input' is missing"),
        ({"critic": {"prices": {**PRICES, "x": 1}}}, "unknown key 'critic.prices.x'"),
        ({"critic": 3}, "critic is 3; expected a section of keys"),
        ({"critic_llm_model_name": " "}, "critic_llm_model_name is ' '; expected the name of a model"),
        ({"critic_llm_model_name": "replay/logs/run_1"}, "a replay answers for every role"),
    ],
)
def test_what_is_wrong_with_the_critic_is_said_in_one_line(values: dict[str, Any], said: str, write: Write) -> None:
    assert said in complaint(write(**WITH_CRITIC, **values))


def test_what_has_changed_between_two_configs() -> None:
    old = resolve(EXAMPLE, "test").model_dump(mode="json")
    new = {**old, "optimum": 3.0, "logdir": "logs/elsewhere", "llm_timeout_s": 1.0, "resume_run": 3}
    assert differences(old, old) == []
    assert differences(old, new) == ["optimum"]
    assert differences(old, {**old, "new_key": 1}) == ["new_key"]


def test_what_would_make_a_description_untrue_is_refused(write: Write) -> None:
    frozen_lake = {"gym_env_name": "FrozenLake-v1"}
    assert load_config(write(**frozen_lake, env_kwargs={"is_slippery": True})).env_kwargs is not None
    said = complaint(write(**frozen_lake, env_kwargs={"is_slippery": False}))
    assert said.startswith("env_kwargs: with 'is_slippery' False the description of FrozenLake-v1")
    assert "'max_episode_steps' 50" in complaint(write(env_kwargs={"max_episode_steps": 50}))
    free = load_config(write(gym_env_name="maze-random-v0", env_kwargs={"size": 4}))
    assert free.env_kwargs == {"size": 4, "maze_seed": 0}


def test_the_controlled_protocol_cannot_be_loosened(write: Write) -> None:
    config = load_config(write(protocol="controlled", announced_iterations=400, clip_actions=False))
    assert (config.announced_iterations, config.clip_actions) == (config.num_iterations, True)


def test_the_published_section_takes_only_what_differs_between_methods(write: Write) -> None:
    for key in ("protocol", "method", "logdir", "seed"):
        assert f"unknown key '{key}'" in complaint(write(published={key: "controlled"}))


# ---- Methods whose numbers depend on the config ----


def counting(monkeypatch: pytest.MonkeyPatch, count: Callable[[Mapping[str, Any]], int]) -> None:
    method = replace(METHODS["props"], name="counting", calls=count, evaluations=count)
    register(METHODS, method, monkeypatch)


def test_a_method_may_count_by_any_key(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    counting(monkeypatch, lambda config: 1 + (config["num_iterations"] > config["warmup_episodes"]))
    config = load_config(write(method="counting"))
    assert (config.num_iterations, config.announced_iterations) == (100, 100)
    assert load_config(write(method="counting", num_iterations=300)).num_iterations == 300
    assert main(["list"]) == 0


@pytest.mark.parametrize("changes", [{}, {"num_iterations": 5}])
def test_a_count_that_cannot_be_is_refused(changes: Any, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    counting(monkeypatch, lambda _: 0)
    said = "method 'counting': evaluations per iteration is 0; expected a whole number, at least 1"
    assert complaint(write(method="counting", **changes)) == said


@pytest.mark.parametrize(
    ("changes", "streaming"),
    [
        ({}, "auto"),
        ({"llm_streaming": True}, True),
        ({"llm_streaming": True, "max_llm_calls": 5, "max_wall_time_s": 60}, True),
        ({"llm_streaming": True, "max_tokens": 1000}, "own"),
        ({"llm_streaming": True, "prices": PRICES}, "own"),
        ({"llm_streaming": True, "prices": PRICES, "max_cost": 1.0}, "own"),
        ({"llm_streaming": True, "critic": {"prices": PRICES}}, "own"),
        ({"llm_streaming": "auto", "max_tokens": 1000}, "own"),
        ({"llm_streaming": "own"}, "own"),
        ({"llm_streaming": False, "max_tokens": 1000}, False),
    ],
)
def test_where_tokens_must_be_told_streams_are_asked_for_from_the_providers_own_servers_only(
    changes: Any, streaming: Any, write: Write
) -> None:
    config = load_config(write(**{**WITH_CRITIC, **changes}))
    assert config.streaming == streaming
    assert config.for_role("critic").streaming == streaming


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"llm_streaming": "sometimes"}, "llm_streaming is 'sometimes'; expected auto, own, true or false"),
        ({"llm_idle_timeout_s": 0}, "llm_idle_timeout_s is 0; input should be greater than 0"),
        (
            {"llm_idle_timeout_s": True},
            "llm_idle_timeout_s is True; value error, this key takes neither true nor false",
        ),
    ],
)
def test_a_wrong_setting_of_streams_is_named(changes: Any, said: str, write: Write) -> None:
    assert said in complaint(write(**changes))
