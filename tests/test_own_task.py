"""An environment of one's own, from an empty folder to a policy that needs NumPy only, with r2po from its wheel."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tests.wheel import Installed, install_from_registry

CAP = 200
"""Longest rollout, in steps. Random policies seldom swing up within it, so that returns differ."""
SEEDS = 3
METHODS = {"r2po": "R2PO", "props": "ProPS", "cma_es": "CMA-ES"}
FACTS = {
    "summary": "Two links hang from a fixed point; the motor between them has to swing the free end up.",
    "reward": "-1 for each step, and 0 for the one that reaches the height.",
    "ending": "The free end is more than 1 m above the fixed point, or 500 steps are over.",
}
SHORT = ("num_iterations=2", "num_evaluation_episodes=3", "warmup_episodes=3", "reevaluation_episodes=2")
HELDOUT = 24
FRESH = range(900_000, 900_040)
"""Seeds of episodes; those of a run are hashes."""


def card_filled_in(path: Path) -> None:
    """Replace what a draft leaves open, and lower its cap, as a person does with an editor."""
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {entry for entry, value in card.items() if "TODO" in str(value)} == set(FACTS)
    path.write_text(yaml.safe_dump({**card, **FACTS, "max_traj_length": CAP}, sort_keys=False), encoding="utf-8")


def exported(path: Path) -> Any:
    """Return the policy of an exported file, which imports NumPy and nothing else."""
    text = path.read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]
    names: dict[str, Any] = {}
    exec(compile(text, path.name, "exec"), names)
    return names["Policy"]()


def returns(policy: Any) -> NDArray[np.float64]:
    """Roll a policy out in Gymnasium, once for each fresh seed; returns (n,) undiscounted returns."""
    env = gymnasium.make("Acrobot-v1")
    found = []
    for seed in FRESH:
        observation, _ = env.reset(seed=seed)
        total, ended, steps = 0.0, False, 0
        while not ended and steps < CAP:
            observation, reward, ended, _, _ = env.step(policy.act(observation))
            total, steps = total + float(reward), steps + 1
        found.append(total)
    env.close()
    return np.array(found)


def scores_what_the_run_says(result: dict[str, Any], policy: Any) -> None:
    """Two samples of the same policy: their means differ by no more than four standard errors of the difference."""
    assert result["heldout_episodes"] == HELDOUT
    fresh = returns(policy)
    error = np.hypot(result["heldout_std"] / np.sqrt(HELDOUT), fresh.std(ddof=1) / np.sqrt(len(fresh)))
    assert abs(fresh.mean() - result["heldout_reward"]) <= 4 * error
    # The tolerance tells it from a policy that never swings up.
    assert result["heldout_reward"] - 4 * error > -CAP


def made_by_all_commands(installed: Installed, folder: Path) -> None:
    """Go the whole way in an empty folder, with commands alone."""
    installed.run("init", ".", cwd=folder)
    assert "to fill in: summary, reward, ending" in installed.run("new-task", "Acrobot-v1", cwd=folder).stdout
    card_filled_in(folder / "tasks/acrobot.yaml")
    for method in METHODS:
        config = {"task": "tasks/acrobot.yaml", "method": method, "logdir": f"logs/{method}"}
        config["llm_model_name"] = "embedded/search"
        (folder / f"{method}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    short = ("--set", *SHORT, f"heldout_episodes={HELDOUT}")
    configs = [f"{method}.yaml" for method in METHODS]
    said = installed.run("sweep", *configs, "--runs", str(SEEDS), *short, cwd=folder).stdout
    assert "9/9 runs done" in said
    chosen = ("--methods", ",".join(METHODS), "--envs", "acrobot")
    installed.run("paper_results_tables", *chosen, cwd=folder)
    installed.run("paper_reward_curves", *chosen, "--output", "curves.svg", cwd=folder)


def results(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return what all runs have come to, by run directory."""
    found = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("logs/*/*/result.json")}
    wanted = {f"logs/{method}/run_{seed}" for method in METHODS for seed in range(1, SEEDS + 1)}
    assert {str(run.relative_to(folder)) for run in found} == wanted
    return found


def tell_of_all_runs(folder: Path, runs: dict[Path, dict[str, Any]]) -> None:
    """The table has the means of the runs' held-out returns, and the figure a curve for each method."""
    with (folder / "results_tables/chosen_heldout.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["environment"] == "acrobot"
    for method, label in METHODS.items():
        mean = np.mean([result["heldout_reward"] for result in runs.values() if result["method"] == method])
        assert float(row[label].split()[0]) == pytest.approx(mean, abs=0.006)  # it shows two decimals
    figure = (folder / "curves.svg").read_text(encoding="utf-8")  # matplotlib leaves each text in a comment
    assert all(f"<!-- {text} -->" in figure for text in ("Acrobot", *METHODS.values()))


def goes_the_whole_way(installed: Installed, folder: Path) -> None:
    """Make everything in an empty folder, then try the best policy."""
    made_by_all_commands(installed, folder)
    runs = results(folder)
    tell_of_all_runs(folder, runs)
    best = max(runs, key=lambda run: float(runs[run]["heldout_reward"]))
    installed.run("export", str(best.relative_to(folder)), "policy.py", cwd=folder)
    scores_what_the_run_says(runs[best], exported(folder / "policy.py"))


@pytest.mark.slow
def test_from_an_empty_folder_to_a_policy(installed: Installed, tmp_path: Path) -> None:
    goes_the_whole_way(installed, tmp_path)


@pytest.mark.slow
def test_with_all_packages_from_the_registry(installed: Installed, tmp_path: Path) -> None:
    fresh = install_from_registry(installed.wheel, tmp_path / "venv", "search")
    (tmp_path / "work").mkdir()
    goes_the_whole_way(fresh, tmp_path / "work")
