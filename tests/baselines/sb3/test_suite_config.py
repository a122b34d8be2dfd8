"""Configs of suites, the budget they name, and the hyperparameters that they find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.names import read_folder_name
from r2po.baselines.sb3.algorithms import ALGORITHMS, choose_algorithms
from r2po.baselines.sb3.budget import Spent, TrialBudget, trial_budgets
from r2po.baselines.sb3.config import DEFAULT_EPISODES, SB3Config, load_sb3_config
from r2po.baselines.sb3.zoo import SB3_DEFAULTS, find_zoo, zoo_entry
from r2po.errors import InputError
from r2po.tasks import PUBLISHED, TASKS
from tests.analysis.made_logs import write_run
from tests.baselines.sb3.suites import SUITES, make_suite, write_zoo

DISCRETE, CONTINUOUS = ["DQN", "A2C", "PPO", "TRPO"], ["DDPG", "TD3", "SAC", "A2C", "PPO", "TRPO"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_environment_has_its_suite(name: str) -> None:
    config = load_sb3_config(SUITES / f"{name}_sb3.yaml")
    assert config.gym_env_name == TASKS[name].gym_id
    assert config.budget_target == (8000 if name == "mountaincar" else 4000)
    assert (config.num_trials, config.eval_every_episodes, config.eval_episodes) == (10, 1, 20)
    folder = read_folder_name(Path(config.logdir).name)
    assert folder == (name, "sb3", "")
    fitting = choose_algorithms(None, config.gym_env_name, discrete=config.spaces().discrete_action)
    continuous = name in ("mountaincarcontinuous", "invertedpendulum", "inverteddoublependulum", "swimmer")
    assert [each.name for each in fitting] == (CONTINUOUS if continuous else DISCRETE)


def test_mountaincar_logs_where_the_published_suite_did() -> None:
    assert load_sb3_config(SUITES / "mountaincar_sb3.yaml").logdir == "logs/mountaincar_sb3_more"


def test_a_render_mode_may_be_false_as_in_the_published_configs(tmp_path: Path) -> None:
    text = (SUITES / "maze_sb3.yaml").read_text(encoding="utf-8")
    (tmp_path / "maze_sb3.yaml").write_text(f"{text}render_mode: false\n", encoding="utf-8")
    config = load_sb3_config(tmp_path / "maze_sb3.yaml")
    assert config.render_mode is None
    config.spaces()
    with pytest.raises(InputError, match="render_mode is True"):
        load_sb3_config(SUITES / "maze_sb3.yaml", ["render_mode=true"])


def test_the_document_has_a_row_for_every_key() -> None:
    text = (SUITES.parents[1] / "docs/baselines.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", text.split("### Config keys")[1].split("###")[0], re.MULTILINE)
    assert {key for key, _ in rows} == set(SB3Config.model_fields)
    for key, default in rows:
        if default.strip("`") in ("true", "false") or default.isdigit():
            found = SB3Config.model_fields[key].default
            assert yaml.safe_load(default.strip("`")) == (DEFAULT_EPISODES if key == "budget_target" else found)


PROBLEMS: dict[str, tuple[str, str]] = {
    "card": ("task=mine.yaml", "suites take no 'task'; they name an environment with a card of r2po or of a plugin"),
    "unknown key": ("budget_targt=3", "unknown key 'budget_targt' (did you mean 'budget_target'?)"),
    "unknown environment": ("gym_env_name=CartPol-v1", "did you mean 'CartPole-v1'?"),
    "no number": ("num_trials=many", "num_trials is 'many'"),
    "a truth value": ("eval_episodes=true", "eval_episodes is True"),
    "unknown mode": ("budget_mode=hours", "budget_mode is 'hours'"),
    "hyperparameters of no algorithm": ("algorithm_hyperparams.PPPO.gamma=1", "(did you mean 'PPO'?)"),
    "no algorithm": ("algorithms=[]", "expected at least one algorithm"),
}


@pytest.mark.parametrize(("override", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_is_wrong_is_named(override: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        load_sb3_config(SUITES / "cartpole_sb3.yaml", [override])
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_unknown_and_unfitting_algorithms() -> None:
    with pytest.raises(InputError, match=r"unknown algorithm 'PPOO' \(did you mean 'PPO'\?\)"):
        choose_algorithms(("PPOO",), "x", discrete=True)
    for name in ALGORITHMS:
        for discrete, names in ((True, DISCRETE), (False, CONTINUOUS)):
            if name in names:
                assert choose_algorithms((name.lower(),), "x", discrete=discrete) == (ALGORITHMS[name],)
            else:
                with pytest.raises(InputError, match=f"{name} does not fit x: .* expected {', '.join(names)}"):
                    choose_algorithms((name,), "x", discrete=discrete)


class TestBudget:
    def run_through(self, budget: TrialBudget) -> Spent:
        """Spend as a trial does that steps one environment."""
        training, evaluation = budget.next_evaluation
        spent = Spent()
        while not budget.is_spent(spent):
            spent.training_episodes += training
            spent.evaluation_episodes += budget.affordable(spent, evaluation)
        return spent

    @pytest.mark.parametrize(
        ("protocol", "training", "evaluation"), [("published", 191, 3809), ("controlled", 4000, 80000)]
    )
    def test_what_4000_episodes_mean(self, protocol: str, training: int, evaluation: int) -> None:
        config = load_sb3_config(SUITES / "cartpole_sb3.yaml", [f"protocol={protocol}"])
        budgets = trial_budgets(config)
        assert len(budgets) == 10
        spent = self.run_through(budgets[0])
        assert spent.training_episodes == training
        assert spent.evaluation_episodes == evaluation
        assert budgets[0].used(spent) == 4000
        assert budgets[0].remaining(spent) == 0

    def test_steps(self) -> None:
        published, controlled = (TrialBudget(100, True, counts, (1, 20)) for counts in (True, False))
        spent = Spent(training_steps=60, evaluation_steps=50)
        assert published.is_spent(spent)
        assert not controlled.is_spent(spent)
        assert controlled.remaining(spent) == pytest.approx(0.4)

    def test_too_small(self) -> None:
        config = load_sb3_config(SUITES / "cartpole_sb3.yaml", ["budget_target=1"])
        with pytest.raises(InputError, match="a budget_target of 1 is too small: it ends before the first evaluation"):
            trial_budgets(config)
        assert trial_budgets(config.model_copy(update={"protocol": "controlled"}))
        assert trial_budgets(config.model_copy(update={"budget_target": 2}))

    def reference(self, tmp_path: Path, **changes: Any) -> SB3Config:
        settings = [f"reference_logdir={tmp_path / 'reference'}", "budget_target=null", "num_trials=2"]
        return make_suite("cartpole", tmp_path / "logs", "budget_mode=episodes", *settings).model_copy(update=changes)

    def test_of_reference_runs(self, tmp_path: Path) -> None:
        for number in (1, 2):
            write_run(tmp_path / "reference", number, [1.0] * (number + 1))
        runs = load_log_directory(tmp_path / "reference").runs
        targets = [budget.target for budget in trial_budgets(self.reference(tmp_path))]
        assert targets == [int(run.episodes[-1]) for run in runs]
        assert targets[0] < targets[1]
        in_steps = self.reference(tmp_path, budget_mode="steps")
        assert [budget.target for budget in trial_budgets(in_steps)] == [int(run.steps[-1]) for run in runs]

    def test_reference_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"^reference_logdir: no log directory"):
            trial_budgets(self.reference(tmp_path))

    def test_reference_with_too_few_runs(self, tmp_path: Path) -> None:
        write_run(tmp_path / "reference", 1, [1.0])
        with pytest.raises(InputError, match="has 1 usable run; num_trials is 2"):
            trial_budgets(self.reference(tmp_path))

    def test_steps_need_a_target(self) -> None:
        with pytest.raises(InputError, match="budget_mode 'steps' needs budget_target or reference_logdir"):
            load_sb3_config(SUITES / "cartpole_sb3.yaml", ["budget_mode=steps", "budget_target=null"])


class TestZoo:
    FILE = "default:\n  n_timesteps: 10\nCartPole-v1:\n  gamma: 0.5\nCartPole-v2:\n  gamma: 0.6\n"

    def test_exact_entry_then_default_then_none(self, tmp_path: Path) -> None:
        folder = find_zoo(str(write_zoo(tmp_path / "zoo", ppo=self.FILE, a2c="CartPole-v1: {gamma: 1}")))
        exact = zoo_entry(folder, "PPO", "CartPole-v1")
        assert (exact.values, exact.source["entry"]) == ({"gamma": 0.5}, "CartPole-v1")
        default = zoo_entry(folder, "PPO", "CartPole-v3")
        assert (default.values, default.source["entry"]) == ({"n_timesteps": 10}, "default")
        assert exact.source["sha256"] == default.source["sha256"]
        assert zoo_entry(folder, "A2C", "Other-v0") == zoo_entry(folder, "TRPO", "CartPole-v1") == SB3_DEFAULTS
        assert zoo_entry(None, "PPO", "CartPole-v1") == SB3_DEFAULTS

    def test_root_of_a_clone(self, tmp_path: Path) -> None:
        write_zoo(tmp_path / "hyperparams", ppo=self.FILE)
        assert find_zoo(str(tmp_path)) == tmp_path / "hyperparams"

    def test_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InputError, match=r"has no hyperparameters; expected ppo\.yml"):
            find_zoo(str(tmp_path))
        monkeypatch.setattr("r2po.baselines.sb3.zoo._usual_places", lambda: [tmp_path / "nowhere"])
        with pytest.raises(InputError, match=r"^no rl-baselines3-zoo found.*zoo_hyperparams_dir=null"):
            find_zoo("auto")

    @pytest.mark.parametrize("text", ["- 1", "CartPole-v1: 3", "a: [", "x: !!python/object/apply:os.getcwd []"])
    def test_damaged(self, tmp_path: Path, text: str) -> None:
        folder = write_zoo(tmp_path / "zoo", ppo=text)
        with pytest.raises(InputError, match=r"ppo\.yml"):
            zoo_entry(folder, "PPO", "CartPole-v1")
