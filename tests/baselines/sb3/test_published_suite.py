"""What the protocol ``published`` does as the published comparison did, and what ``controlled`` does instead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.paper.results_tables import build_tables
from r2po.analysis.paper.validation import Validation
from r2po.baselines.sb3.algorithms import PACKAGES
from r2po.baselines.sb3.config import PUBLISHED_HORIZON, load_sb3_config
from tests.baselines.sb3.suites import SUITES, figures, make_suite, result, write_zoo
from tests.older_logs import sample

for module, name in PACKAGES.items():
    pytest.importorskip(module, reason=f"{name} is not installed: pip install -r requirements.txt")

from r2po.baselines.sb3.model import SB3Model  # noqa: E402 - loads PyTorch
from r2po.baselines.sb3.plan import Plan  # noqa: E402
from r2po.baselines.sb3.screen import SuiteLines, SuiteScreen  # noqa: E402
from r2po.baselines.sb3.suite import make_plans, run_suite  # noqa: E402

SILENT = SuiteScreen()
EPISODES = ("budget_mode=episodes", "eval_every_episodes=1", "heldout_episodes=0")


def counts(run: Path) -> tuple[int, int, int]:
    ended = result(run)
    return ended["training_episodes"], ended["evaluation_episodes"], ended["episodes"]


def evaluations(run: Path) -> list[int]:
    """Return the number of episodes of each evaluation."""
    return [len(record["candidates"][0]["returns"]) for record in figures(run)]


def content(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


class TestBudget:
    @pytest.mark.parametrize("environment", ["nim", "cartpole"])
    def test_training_and_evaluation_episodes_share_it_and_the_last_evaluation_takes_the_rest(
        self, tmp_path: Path, environment: str
    ) -> None:
        # Two rounds of 1 + 20 are 42 of 50 episodes; the third trains for 1 and evaluates with the 7 that are left.
        zoo = write_zoo(tmp_path / "zoo", a2c="default: {n_envs: 4}")
        settings = [*EPISODES, "budget_target=50", "eval_episodes=20", "algorithms=[A2C]", f"zoo_hyperparams_dir={zoo}"]
        for name in "ab":
            run_suite(make_suite(environment, tmp_path / name, *settings), None, SILENT)
        first, second = (tmp_path / name / "a2c/run_1" for name in "ab")
        assert counts(first) == (3, 47, 50)
        assert evaluations(first) == [20, 20, 7]
        assert [record["episodes"] for record in figures(first)] == [21, 42, 50]
        assert content(first / "summary.json")["n_envs"] == 1
        assert figures(first) == figures(second)
        assert result(first) == result(second)

    def test_4000_episodes_are_191_of_training(self, tmp_path: Path) -> None:
        settings = [*EPISODES, "budget_target=4000", "eval_episodes=20", "algorithms=[A2C]"]
        run_suite(make_suite("nim", tmp_path, *settings), None, SILENT)
        assert counts(tmp_path / "a2c/run_1") == (191, 3809, 4000)
        assert evaluations(tmp_path / "a2c/run_1") == [20] * 190 + [9]

    @pytest.mark.parametrize(
        ("target", "every", "expected", "sizes"),
        [
            (13, 1, (4, 9, 13), [3, 3, 3]),  # the last training episode leaves nothing to evaluate with
            (12, 1, (3, 9, 12), [3, 3, 3]),
            (9, 2, (4, 5, 9), [3, 2]),
            (11, 2, (5, 6, 11), [3, 3]),
        ],
    )
    def test_where_it_ends_within_a_round(
        self, tmp_path: Path, target: int, every: int, expected: tuple[int, int, int], sizes: list[int]
    ) -> None:
        settings = [*EPISODES, f"budget_target={target}", f"eval_every_episodes={every}", "eval_episodes=3"]
        run_suite(make_suite("nim", tmp_path, *settings, "algorithms=[A2C]"), None, SILENT)
        assert counts(tmp_path / "a2c/run_1") == expected
        assert evaluations(tmp_path / "a2c/run_1") == sizes

    def test_a_model_is_measured_even_if_episodes_that_end_together_take_all(self, tmp_path: Path) -> None:
        # Nobody reaches the flag at once, so all three cars stop after 200 steps.
        settings = [*EPISODES, "budget_target=2", "eval_episodes=3", "algorithm_hyperparams.A2C.n_envs=3"]
        run_suite(make_suite("mountaincar", tmp_path, *settings, "algorithms=[A2C]"), None, SILENT)
        assert counts(tmp_path / "a2c/run_1") == (3, 1, 4)

    def test_controlled_trains_for_all_of_it_and_evaluates_in_full(self, tmp_path: Path) -> None:
        settings = [*EPISODES, "budget_target=5", "eval_episodes=3", "algorithms=[A2C]", "protocol=controlled"]
        run_suite(make_suite("nim", tmp_path, *settings), None, SILENT)
        assert counts(tmp_path / "a2c/run_1") == (5, 15, 5)
        assert evaluations(tmp_path / "a2c/run_1") == [3] * 5

    @pytest.mark.parametrize(("target", "episodes"), [(400, 2), (450, 3)])
    def test_of_a_budget_in_steps_the_episode_during_which_it_ends_counts(
        self, tmp_path: Path, target: int, episodes: int
    ) -> None:
        settings = [f"budget_target={target}", "eval_every_episodes=5", "eval_episodes=1", "algorithms=[A2C]"]
        run_suite(make_suite("mountaincar", tmp_path, *settings), None, SILENT)
        ended = result(tmp_path / "a2c/run_1")
        assert (ended["training_steps"], ended["training_episodes"]) == (target, episodes)
        assert ended["mean_train_reward"] == -200


def test_tables_keep_the_protocols_apart_and_say_what_their_budgets_mean(tmp_path: Path) -> None:
    settings = [*EPISODES, "budget_target=13", "eval_episodes=3", "algorithms=[A2C]", "heldout_episodes=2"]
    for protocol in ("published", "controlled"):
        suite = make_suite("nim", tmp_path / f"{protocol}/nim_sb3", *settings, f"protocol={protocol}")
        run_suite(suite, None, SILENT)
    table = build_tables("core", find_experiments(tmp_path), Validation(), environments=["nim"])["heldout"]
    assert [row[1].text for row in table.rows if not isinstance(row[1], str)] == [
        "no language model, controlled protocol",
        "no language model, published protocol",
    ]
    assert "SB3 (controlled): only training episodes count against its budget." in table.notes
    assert "SB3 (published): evaluation episodes count against its budget." in table.notes


@pytest.mark.parametrize(("protocol", "stays"), [("published", True), ("controlled", False)])
def test_exploration_of_dqn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, *, stays: bool) -> None:
    rates: list[float] = []
    save = SB3Model.save_final_and_best

    def watched(self: SB3Model, folder: Path) -> None:
        rates.append(self.algorithm.exploration_rate)  # type: ignore[attr-defined]
        save(self, folder)

    monkeypatch.setattr(SB3Model, "save_final_and_best", watched)
    settings = [*EPISODES, "budget_target=60", "eval_episodes=2", "algorithms=[DQN]", f"protocol={protocol}"]
    run_suite(make_suite("nim", tmp_path, *settings), None, SILENT)
    assert rates == [pytest.approx(1.0, abs=1e-5) if stays else pytest.approx(0.05)]


def test_the_horizon_is_that_of_the_config_or_the_published_one_in_episodes_only(tmp_path: Path) -> None:
    def most_steps(*overrides: str) -> int:
        return make_plans(make_suite("nim", tmp_path, "algorithms=[DQN]", *overrides))[0].most_steps

    assert PUBLISHED_HORIZON == 2_000_000_000
    assert most_steps("budget_mode=episodes", "budget_target=40") == 2_000_000_000
    assert most_steps("budget_mode=episodes", "episode_budget_max_timesteps=70") == 70
    assert most_steps("budget_mode=steps", "budget_target=40") == 40
    controlled = most_steps("budget_mode=episodes", "budget_target=40", "protocol=controlled")
    (plan,) = make_plans(make_suite("nim", tmp_path, "algorithms=[DQN]", "protocol=controlled"))
    assert controlled == 41 * plan.config.episode_limit(plan.spaces)


BOTH = "dict(norm_obs=True, norm_reward=True)"
CHOICES: dict[str, tuple[str, str | None, Any, Any]] = {
    "observations and rewards": ("true", None, (True, False), (True, True)),
    "both by name": (BOTH, None, (True, False), (True, True)),
    "observations only": ("dict(norm_reward=False)", None, (True, False), (True, False)),
    "rewards only": ("dict(norm_obs=False)", None, None, (False, True)),
    "neither": ("false", None, None, None),
    "the config says it": ("false", "true", (True, False), (True, True)),
    "the config insists": ("false", BOTH, (True, True), (True, True)),
}


@pytest.mark.parametrize(("zoo", "stated", "published", "controlled"), CHOICES.values(), ids=CHOICES)
def test_rewards_are_not_normalised(
    tmp_path: Path, zoo: str, stated: str | None, published: Any, controlled: Any
) -> None:
    """What is expected: whether observations and whether rewards are normalised; None without a normaliser."""
    folder = write_zoo(tmp_path / "zoo", a2c=f"default:\n  normalize: {zoo}\n")
    settings = ["algorithms=[A2C]", f"zoo_hyperparams_dir={folder}"]
    if stated is not None:
        settings.append(f"algorithm_hyperparams.A2C.normalize={stated}")
    for protocol, expected in (("published", published), ("controlled", controlled)):
        (plan,) = make_plans(make_suite("cartpole", tmp_path / "logs", *settings, f"protocol={protocol}"))
        model = SB3Model(plan)
        found = model.algorithm.get_vec_normalize_env()
        assert (None if found is None else (found.norm_obs, found.norm_reward)) == expected
        model.close()


def test_the_zoo_environments_are_one_unless_the_config_says_more(tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo", ppo="default: {n_envs: 8, normalize: true, n_steps: 64}")

    def plan_of(*overrides: str) -> Plan:
        settings = ["algorithms=[PPO]", f"zoo_hyperparams_dir={zoo}", *overrides]
        return make_plans(make_suite("cartpole", tmp_path / "logs", *settings))[0]

    published = plan_of()
    assert published.hyperparameters.num_envs == 1
    assert published.record()["hyperparameters"] == {
        "n_envs": 1,
        "normalize": {"norm_reward": False},
        "n_steps": 64,
    }
    assert published.description()["hyperparameter_source"]["published"] == ["n_envs", "normalize"]
    model = SB3Model(published)
    assert model.algorithm.n_envs == 1
    model.close()

    stated = plan_of("algorithm_hyperparams.PPO.n_envs=2")
    assert (stated.hyperparameters.num_envs, stated.hyperparameters.source["published"]) == (2, ["normalize"])
    controlled = plan_of("protocol=controlled")
    assert (controlled.hyperparameters.num_envs, controlled.hyperparameters.source["published"]) == (8, [])
    assert controlled.record()["hyperparameters"]["normalize"] is True


def test_frozenlake_has_one_algorithm_and_more_where_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def names(*overrides: str) -> list[str]:
        plans = make_plans(make_suite("frozenlake", tmp_path, *overrides))
        return [plan.algorithm.name for plan in plans]

    assert names() == ["TRPO"]
    assert names("algorithms=[dqn, ppo]") == ["DQN", "PPO"]
    assert names("protocol=controlled") == ["DQN", "A2C", "PPO", "TRPO"]
    plans = make_plans(make_suite("frozenlake", tmp_path))
    SuiteLines().started(plans, 0)
    assert "TRPO only, as in the published comparison" in capsys.readouterr().out


def test_summaries_have_the_published_fields(tmp_path: Path) -> None:
    settings = [*EPISODES, "budget_target=13", "eval_episodes=3", "num_trials=2", "algorithms=[A2C]"]
    stated = "algorithm_hyperparams.A2C.gamma=0.9"
    run_suite(make_suite("nim", tmp_path / "nim_sb3", *settings, stated), None, SILENT)
    folder = tmp_path / "nim_sb3/a2c"
    whole, trials = content(folder / "summary.json"), [content(folder / f"run_{n}/summary.json") for n in (1, 2)]
    for each in (whole, *trials):
        assert (each["label"], each["n_envs"], each["hyperparams"]) == ("SB3-A2C", 1, {"gamma": 0.9})
    returns = [value for record in figures(folder / "run_1") for value in record["training_returns"]]
    assert len(returns) == 3  # a fourth episode was trained on and left nothing to evaluate with
    assert set(returns) <= {-1.0, 1.0}
    means = [each["mean_train_reward"] for each in trials]
    assert means[0] in [pytest.approx((sum(returns) + last) / 4) for last in (-1.0, 1.0)]
    assert trials[0]["final_train_reward"] in (-1.0, 1.0)
    assert whole["mean_train_reward"] == pytest.approx(sum(means) / 2)
    assert whole["std_train_reward"] == pytest.approx(abs(means[0] - means[1]) / 2**0.5)
    times = [each["train_time_s"] for each in trials]
    assert whole["std_train_time_s"] == pytest.approx(abs(times[0] - times[1]) / 2**0.5)
    assert whole["per_run_summaries"] == trials


def test_an_older_suite_is_continued_in_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sample() / "logs/cartpole_sb3", "logs/cartpole_sb3")
    Path("logs/cartpole_sb3/A2C/run_2/result.json").unlink()
    was = figures(Path("logs/cartpole_sb3/A2C/run_2"))
    run_suite(load_sb3_config(sample() / "configs/cartpole_sb3.yaml"), None, SILENT)
    assert sorted(path.name for path in Path("logs/cartpole_sb3").iterdir()) == ["A2C", "PPO"]
    (old, new) = content(Path("logs/cartpole_sb3/A2C/summary.json"))["per_run_summaries"]
    assert (old["mean_train_reward"], old["n_envs"], old["label"]) == (None, 1, "SB3-A2C")
    assert new["mean_train_reward"] > 0
    assert len(load_log_directory("logs/cartpole_sb3/A2C").runs) == 2
    assert [record["episodes"] for record in figures(Path("logs/cartpole_sb3/A2C/run_2"))] == [
        record["episodes"] for record in was
    ]


def test_a_published_config_may_say_that_nothing_is_drawn() -> None:
    assert load_sb3_config(SUITES / "maze_sb3.yaml", ["render_mode=false"]).render_mode is None
