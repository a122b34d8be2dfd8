"""How long it takes to evaluate everything: 10 environments, 9 methods, 10 runs of 100 to 200 iterations, generated.

    python benchmarks/analysis_speed.py [--folder DIR] [--runs 10] [--keep]

Writes the logs, then times each command as a process of its own, and prints the seconds and their sum.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from r2po.analysis.logs.parallel import in_parallel
from r2po.methods import METHODS
from r2po.tasks import PUBLISHED, TASKS

K = 20
ROOT = Path(__file__).parents[1]

COMMANDS = (
    ("eval_all_results.py",),
    ("eval_all_results.py",),  # again: nothing has changed
    *(
        (
            "paper_results_tables.py",
            "--preset",
            preset,
            "--formats",
            "md",
            "csv",
            "latex",
            "png",
            "--output-dir",
            "{out}",
        )
        for preset in ("core", "variants")
    ),
    *(
        ("paper_reward_curves.py", "--preset", preset, "--output", f"{{out}}/curves_{preset}.png", "--formats", "pdf")
        for preset in ("core", "variants")
    ),
    *(
        ("paper_significance_tests.py", "--comparison-mode", mode, "--metric", metric, "--output", f"{{out}}/{mode}.md")
        for mode in ("best", "all")
        for metric in ("mean_reward", "best_reward", "final_reward")
    ),
    ("paper_budget_tables.py", "--output-dir", "{out}/budget"),
    ("paper_robust_statistics.py", "--output-dir", "{out}/robust"),
    ("paper_salience_analysis.py", "--output-dir", "{out}/salience"),
)


def main() -> None:
    """Generate the logs, and time the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the logs are written (default: a temporary folder)")
    parser.add_argument("--runs", type=int, default=10, help="runs of each experiment (default: 10)")
    parser.add_argument("--keep", action="store_true", help="keep the folder; existing logs in it are used")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="r2po-speed-"))
    try:
        if not (folder / "logs").exists():
            took = timed(lambda: generate(folder / "logs", options.runs))
            size = sum(file.stat().st_size for file in folder.rglob("*.jsonl"))
            print(f"{took:6.1f} s  writing the logs ({size / 1e6:.0f} MB)")
        time_commands(folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def time_commands(folder: Path) -> None:
    """Run each command on the logs, and print what it takes."""
    cores = len(os.sched_getaffinity(0))
    total = 0.0
    for command in COMMANDS:
        if not (ROOT / command[0]).exists():
            continue
        filled = [part.format(out=folder / "out") for part in command]
        took = timed(lambda: run_script([*filled, "--logs-root", str(folder / "logs")]))  # noqa: B023 - called at once
        total += took
        print(f"{took:6.1f} s  {' '.join(command[:4])}")
    print(f"{total:6.1f} s  in all, on {cores} cores")


def run_script(arguments: list[str]) -> None:
    """Run one of the scripts beside main.py."""
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def timed(work: Any) -> float:
    """Return the seconds that ``work()`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def generate(root: Path, runs: int) -> None:
    """Write the logs of every published experiment."""
    cells = [
        (root, environment, method, runs)
        for environment in PUBLISHED
        for method in METHODS
        if METHODS[method].asks_model
    ]
    in_parallel(write_experiment, cells)


def write_experiment(cell: tuple[Path, str, str, int]) -> None:
    """Write the runs of one method on one environment."""
    root, environment, method, runs = cell
    for number in range(1, runs + 1):
        write_run(root / f"{environment}_{method}" / f"run_{number}", environment, method, number)


def write_run(folder: Path, environment: str, method: str, seed: int) -> None:
    """Write a run whose reward rises towards the target, with noise."""
    task = TASKS[environment]
    calls = METHODS[method].calls_per_iteration({})
    rng = np.random.default_rng([list(TASKS).index(environment), list(METHODS).index(method), seed])
    size = {"tabular": 20}.get(task.policy, 18)
    count = 200 // calls
    folder.mkdir(parents=True)
    config = {"gym_env_name": task.gym_id, "method": method, "num_iterations": count, "optimum": task.optimum}
    description = {
        "schema": 1,
        "seed": seed,
        "protocol": "published",
        "model": "generated/none",
        "stand_in": False,
        "config": {**config, "policy": task.policy},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(description))
    assert task.optimum is not None
    pair = METHODS[method].pair
    stages = (pair["proposal"], pair["revision"]) if pair else ("proposal",)
    lines = [json.dumps(record) for record in records(rng, task.optimum, count, stages, size, task.warmup_episodes)]
    (folder / "iterations.jsonl").write_text("\n".join(lines) + "\n")
    result = {"iterations": count, "heldout_reward": task.optimum * 0.8, "heldout_std": 1.0, "heldout_episodes": 100}
    (folder / "result.json").write_text(json.dumps({"schema": 1, **result}))


def records(
    rng: np.random.Generator, target: float, count: int, stages: Sequence[str], size: int, warmup: int
) -> Iterator[dict[str, Any]]:
    """Yield the lines of ``iterations.jsonl``."""
    calls, scale = len(stages), abs(target) or 1.0
    start, speed = target - scale * rng.uniform(0.8, 1.2), rng.uniform(1.0, 6.0)
    noise = scale * rng.normal(0, 0.1, (count, calls, K))
    level = target - (target - start) * np.exp(-speed * np.arange(count) / count)
    returns = np.round(level[:, None, None] + noise, 3)
    params = np.round(rng.uniform(-6, 6, (count, calls, size)), 1)
    for i in range(count):
        means = returns[i].mean(axis=1)
        accepted = int(means.argmax())
        yield {
            "iteration": i + 1,
            "reward": float(means[accepted]),
            "accepted": accepted,
            "candidates": [
                {
                    "stage": stages[c],
                    "call": "0" * 64,
                    "params": params[i, c].tolist(),
                    "reward": float(means[c]),
                    "returns": returns[i, c].tolist(),
                    "lengths": [200] * K,
                    "ends": ["terminated"] * K,
                    "shown": [0],
                }
                for c in range(calls)
            ],
            "episodes": warmup + K * calls * (i + 1),
            "steps": 200 * K * calls * (i + 1),
            "llm_calls": calls * (i + 1),
            "times": {"ended": "2025-01-01T00:00:00+00:00", "elapsed_s": 9.0, "llm_s": 8.0, "rollout_s": 1.0},
        }


if __name__ == "__main__":
    main()
