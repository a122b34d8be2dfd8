"""Whole runs: every published experiment under both protocols, the budget of every method, and what pairs its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.config import Config, load_config
from r2po.envs.extras import lacking
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import CRITIC, Reply, Request
from r2po.methods import METHODS
from r2po.policies import Policy
from r2po.rollout import Rollout, Rollouts, SelectedEngine
from r2po.runlog import RunDirectory
from r2po.tasks import PUBLISHED, TASKS, task_for
from tests.builders import CONFIGS, PROMPTED, make_config, open_experiment

FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.glob("*/*.yaml")
    if path.parent.name != "sb3_baselines"  # of another command
)
PROGRAMS = [file for file in FILES if load_config(CONFIGS / file).policy == "code"]
NUMBERS = [file for file in FILES if file not in PROGRAMS]
QUICK = ("cartpole/cartpole_promptpo_cheap.yaml", "swimmer/swimmer_promptpo.yaml")
"""Of the configs of programs, those that are run each time."""
SMALL = (
    "num_iterations=3",
    "num_evaluation_episodes=2",
    "heldout_episodes=2",
    "max_traj_length=12",
)


class Notes(Observer):
    """Keeps what is said in lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def start(config: Config) -> list[str]:
    """Run an experiment and return the lines that were said."""
    notes = Notes()
    launch(config, None, {}, notes)
    return notes.lines


# ---- Every published experiment ----


@pytest.mark.parametrize(
    ("file", "protocol"),
    [
        pytest.param(file, protocol, marks=() if protocol == "published" or "cartpole" in file else pytest.mark.slow)
        for file in NUMBERS
        for protocol in ("published", "controlled")
    ],
)
@pytest.mark.sampled(4)
def test_every_config_runs_to_its_end(file: str, protocol: str, tmp_path: Path) -> None:
    if missing := lacking(load_config(CONFIGS / file, protocol=protocol).gym_env_name):
        pytest.skip(missing)
    # The warm-up as the file has it, none included, but no longer than two trials.
    warmup = min(load_config(CONFIGS / file, protocol=protocol).warmup_episodes or 0, 2)
    method = METHODS[load_config(CONFIGS / file).method]
    model = ["llm_model_name=embedded/search"] if method.asks_model else []
    model += ["critic_llm_model_name=null"] if CRITIC in method.roles else []
    overrides = [*SMALL, *model, f"warmup_episodes={warmup}", f"logdir={tmp_path}"]
    config = load_config(CONFIGS / file, overrides, protocol=protocol)
    assert [line for line in start(config) if "traj_history_last_n has no effect" not in line] == []
    run = RunDirectory(tmp_path / "run_1")
    result, records = run.read_result(), run.read_iterations()
    assert (result["method"], result["protocol"]) == (method.name, protocol)
    assert result["environment"] == task_for(config.gym_env_name).name
    assert result["iterations"] == len(records) == 3
    assert result["llm_calls"] == 3 * method.calls_per_iteration({})
    assert result["episodes"] == warmup + 2 * 3 * method.evaluations_per_iteration({})
    answered = (result["refused_replies"], result["failed_attempts"], result["stand_in"])
    assert answered == (0, 0, method.asks_model)
    accepted = [record["candidates"][record["accepted"] or 0] for record in records]
    assert [record["reward"] for record in records] == [candidate["reward"] for candidate in accepted]
    assert result["best_reward"] == max(candidate["reward"] for candidate in accepted)
    assert result["heldout_reward"] is not None


@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=() if file in QUICK else pytest.mark.slow) for file in PROGRAMS]
)
def test_every_config_of_programs_runs_to_its_end(file: str, tmp_path: Path) -> None:
    if missing := lacking(load_config(CONFIGS / file).gym_env_name):
        pytest.skip(missing)
    of_rounds = ["candidates=2", "budget=iterations"] if "promptpo" in file else []
    model = ["llm_model_name=embedded/code", f"logdir={tmp_path}", "seed=1"]
    config = load_config(CONFIGS / file, [*SMALL, *model, *of_rounds, "num_iterations=2"])
    start(config)
    run = RunDirectory(tmp_path / "run_1")
    result, records = run.read_result(), run.read_iterations()
    assert (result["method"], result["iterations"], len(records)) == (config.method, 2, 2)
    assert result["environment"] == task_for(config.gym_env_name).name
    assert all("source" in candidate for record in records for candidate in record["candidates"])
    assert result["llm_calls"] >= 2 * METHODS[config.method].calls_per_iteration(dict(config))
    assert result["stand_in"]


# ---- The budget of a full run ----


class CountingProvider(EmbeddedSearch):
    """The stand-in, counting its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def complete(self, request: Request) -> Reply:
        self.calls += 1
        return super().complete(request)


class Episodes:
    """Counts the episodes of all engines by their seeds: every evaluation has its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_seed: Counter[int] = Counter()
        evaluate, roll_out = SelectedEngine.evaluate, SelectedEngine.roll_out

        def counted(engine: SelectedEngine, policy: Policy, seeds: Sequence[int]) -> Rollouts:
            self.by_seed.update(seeds)
            return evaluate(engine, policy, seeds)

        def counted_one(engine: SelectedEngine, policy: Policy, seed: int) -> Rollout:
            self.by_seed[seed] += 1
            return roll_out(engine, policy, seed)

        monkeypatch.setattr(SelectedEngine, "evaluate", counted)
        monkeypatch.setattr(SelectedEngine, "roll_out", counted_one)


CHOOSING = ("r2po", "reptraj", "three_traj", "pure_search", "actor_second_pass")
"""Methods that keep the better of two candidates by their means."""


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=() if name in ("r2po", "props", "three_traj") else pytest.mark.slow)
        for name in PROMPTED
    ],
)
def test_a_full_run_is_200_calls_and_4000_episodes_after_the_warm_up(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes, provider = Episodes(monkeypatch), CountingProvider()
    with open_experiment(make_config("maze", method), provider, tmp_path) as experiment:
        result = experiment.run()
        records = experiment.directory.read_iterations()
    warmup, heldout = 20, 100
    chooses = METHODS[method].needs_reevaluation({})
    fresh = 20 * result["iterations"] if chooses else 0
    assert chooses == (method in CHOOSING)
    assert provider.calls == 200
    assert len(episodes.by_seed) == 4000 + warmup + fresh + heldout
    # Rollouts that prompts show are made again from their seeds: no new episodes.
    again = sum(count - 1 for count in episodes.by_seed.values())
    shown = sum(len(candidate["shown"]) for record in records for candidate in record["candidates"])
    in_history = warmup + result["iterations"] if METHODS[method].history_rollout is not None else 0
    assert again == shown + in_history
    assert (result["llm_calls"], result["episodes"], result["heldout_episodes"]) == (200, 4000 + warmup, heldout)
    assert result["iterations"] == 200 // METHODS[method].calls_per_iteration({})


# ---- Protocols ----


@pytest.mark.parametrize("environment", PUBLISHED)
def test_under_the_controlled_protocol_the_methods_of_an_environment_differ_in_nothing_but_the_method(
    environment: str,
) -> None:
    settings = {}
    for file in FILES:
        config = load_config(CONFIGS / file, protocol="controlled")
        if (
            task_for(config.gym_env_name).name != environment
            or "tau_c" in file
            or "_published" in file  # the ProPS paper's settings, whatever the protocol
            or config.policy != TASKS[environment].policy
        ):
            continue
        assert config.announced_iterations == config.num_iterations == METHODS[config.method].default_iterations({})
        own = {"method", "logdir", "num_iterations", "announced_iterations", "traj_history_last_n"}
        if not METHODS[config.method].asks_model:
            own |= {"llm_model_name", "temperature"}
        settings[config.method] = config.model_dump(exclude=own)
    assert set(settings) == {name for name, method in METHODS.items() if method.fits(TASKS[environment].policy)}
    assert all(others == {key: settings["r2po"][key] for key in others} for others in settings.values())
    assert settings["r2po"]["clip_actions"] is True


class Seeds(Episodes):
    """Remembers the seeds of every evaluation of more than one episode, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.evaluations: list[list[int]] = []
        counted = SelectedEngine.evaluate

        def remembered(engine: SelectedEngine, policy: Policy, seeds: Sequence[int]) -> Rollouts:
            if len(seeds) > 1:
                self.evaluations.append([*seeds])
            return counted(engine, policy, seeds)

        monkeypatch.setattr(SelectedEngine, "evaluate", remembered)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.calls_per_iteration({}) == 2])
@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_only_the_controlled_protocol_rolls_both_candidates_out_on_the_same_seeds(
    method: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = Seeds(monkeypatch)
    small = {"num_iterations": 3, "heldout_episodes": 0, "reevaluation_episodes": 0, "warmup_episodes": 2}
    config = make_config("maze", method, protocol=protocol, **small)
    with open_experiment(config, EmbeddedSearch(), tmp_path) as experiment:
        experiment.run()
    firsts, seconds = seeds.evaluations[::2], seeds.evaluations[1::2]
    assert [len(evaluation) for evaluation in seeds.evaluations] == [20] * 6
    for first, second in zip(firsts, seconds, strict=True):
        assert first == second if protocol == "controlled" else not set(first) & set(second)
    every = {seed for evaluation in seeds.evaluations for seed in evaluation}
    assert len(every) == (60 if protocol == "controlled" else 120)


@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_clipping_of_actions_under_the_protocols(protocol: str, tmp_path: Path) -> None:
    """A published ablation pays for actions beyond the bounds of MountainCarContinuous; a controlled one has none."""
    file = CONFIGS / "mountaincarcontinuous/mountaincar_continuous_reptraj.yaml"
    overrides = [*SMALL, "llm_model_name=embedded/search", "warmup_episodes=0"]
    config = load_config(file, overrides, protocol=protocol)
    with open_experiment(config, EmbeddedSearch(), tmp_path) as experiment:
        rollout = experiment.setting.roll_out((0.0, 0.0, 6.0), 1)
        warmup = experiment.setting.roll_out((0.0, 0.0, 6.0), 1, warmup=True)
    charged = -0.1 * (36 if protocol == "published" else 1)
    assert rollout.rewards.tolist() == pytest.approx([charged] * 12)
    assert warmup.rewards.tolist() == pytest.approx([-0.1] * 12)


def test_of_rewards_that_are_equal_up_to_rounding_the_first_is_the_best(tmp_path: Path) -> None:
    with open_experiment(make_config("maze", "props", num_iterations=3), EmbeddedSearch(), tmp_path) as experiment:
        record = experiment.iterate(1)
        for number, reward in enumerate((0.3, 0.1 + 0.2, 0.3 - 1e-3), 1):
            experiment.remember({**record, "iteration": number, "reward": reward})
        assert experiment.best is not None
        assert (experiment.best["iteration"], experiment.best["reward"]) == (1, 0.1 + 0.2)


# ---- What is said at the start ----


def small(folder: Path, method: str = "props", **values: Any) -> Config:
    settings = {"num_iterations": 1, "num_evaluation_episodes": 2, "heldout_episodes": 0, "warmup_episodes": 1}
    return make_config("maze", method, logdir=str(folder), **{**settings, **values})


@pytest.mark.parametrize(("before", "now"), [("published", "controlled"), ("controlled", "published")])
def test_runs_of_another_protocol_in_the_log_directory_are_named(before: str, now: str, tmp_path: Path) -> None:
    start(small(tmp_path, protocol=before))
    assert start(small(tmp_path, protocol=before)) == []
    assert start(small(tmp_path, protocol=now)) == [
        f"{tmp_path / 'run_1'} was made under protocol {before}, this run is {now}: "
        "give them log directories of their own (--set logdir=...)"
    ]


@pytest.mark.parametrize(
    "text", ["", "schema: 1\n", "schema: 99\nprotocol: published\n", "[1", "schema: 1\nprotocol: 3\n"]
)
def test_what_is_wrong_with_another_run_is_no_obstacle(text: str, tmp_path: Path) -> None:
    start(small(tmp_path))
    (tmp_path / "run_1" / "run.yaml").write_text(text)
    assert len(start(small(tmp_path))) <= 1
    assert (tmp_path / "run_2" / "result.json").exists()


@pytest.mark.parametrize("method", PROMPTED)
def test_a_number_of_excerpts_is_called_idle_where_no_prompt_shows_any(method: str, tmp_path: Path) -> None:
    assert start(small(tmp_path / "unset", method)) == []
    said = start(small(tmp_path / "set", method, traj_history_last_n=3))
    idle = f"traj_history_last_n has no effect: the prompts of {method} show no excerpts"
    assert said == ([] if method in ("reptraj", "always_critic", "critic_only") else [idle])


@pytest.mark.parametrize("method", PROMPTED)
def test_a_form_of_the_revision_rule_is_called_idle_where_no_prompt_states_the_rule(
    method: str, tmp_path: Path
) -> None:
    said = start(small(tmp_path / "set", method, revision_rule="order"))
    idle = f"revision_rule has no effect: the prompts of {method} state no revision rule"
    assert said == ([] if method == "r2po" else [idle])


# ---- A resolved config ----


def test_a_resolved_config_is_the_same_after_a_way_through_yaml() -> None:
    for file in FILES:
        config = load_config(CONFIGS / file)
        assert Config(**yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config
