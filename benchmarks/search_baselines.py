"""Black-box search beside the published R2PO: ``python -m benchmarks.search_baselines``.

Runs random search, CMA-ES, ARS and the (1+λ)-ES on all ten environments, each with the seeds 1 to 5 at the full budget
of 4,000 episodes, and prints a Markdown table. What is finished is not run again, what was interrupted goes on, so the
command can be stopped and given again at any time. ``--runs 0`` only prints the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.output.scores import score_of
from r2po.analysis.published import published_results
from r2po.config import Config, load_config
from r2po.config.load import config_folder
from r2po.errors import R2POError
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.methods import METHODS
from r2po.runlog import RunDirectory, list_runs
from r2po.tasks import TASKS, task_for

RUNS = 5
FASTEST_FIRST = (
    *("maze", "nim", "frozenlake", "inverteddoublependulum", "cartpole", "mountaincar", "invertedpendulum"),
    *("pong", "mountaincarcontinuous", "swimmer"),
)
"""By the time that a full run takes: a table that is interrupted is as complete as can be."""
SEARCHES = tuple(name for name, method in METHODS.items() if not method.asks_model)
METRICS = ("best_reward", "heldout_reward", "mean_reward")


def configs(root: Path, environments: Sequence[str], protocol: str) -> Iterator[Config]:
    """Load the configs of all searches, with log directories under ``root``."""
    for name in sorted(environments, key=FASTEST_FIRST.index):
        for method in SEARCHES:
            for file in sorted(config_folder().glob(f"*/*_{method}.yaml")):
                config = load_config(file, protocol=protocol)
                if task_for(config.gym_env_name).name == name:
                    yield config.model_copy(update={"logdir": str(root / Path(config.logdir).name)})


def run(config: Config, seed: int, environ: Mapping[str, str] = os.environ) -> str:
    """Run an experiment with one seed, as far as it is not done; returns a line that says how it went."""
    found = _run_with(Path(config.logdir), seed)
    what = f"{config.logdir}, seed {seed}"
    if found is not None and found.is_complete:
        return f"{what}: was complete"
    try:
        seeded = config.model_copy(update={"seed": seed})
        result = launch(seeded, found.number if found else None, environ, Observer())
    except R2POError as error:
        return f"{what}: {error}"
    return f"{what}: best {result['best_reward']:.4g}, {result['times']['elapsed_s']:.0f} s"


def _run_with(logdir: Path, seed: int) -> RunDirectory | None:
    described = (each for each in list_runs(logdir) if (each.path / "run.yaml").exists())
    return next((each for each in described if each.read_description()["seed"] == seed), None)


def table(experiments: Sequence[ExperimentLogs]) -> str:
    """Return the results as Markdown: mean ± standard deviation over complete runs, published R2PO beside."""
    lines = [
        "| environment | method | runs | best | held-out | mean | published R2PO: best | mean |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for found in experiments:
        each = replace(found, runs=tuple(one for one in found.runs if one.complete))
        if each.method in SEARCHES and each.runs:
            scores = [score_of(each.label, each.values(metric)) for metric in METRICS]
            cells = [score.text if score else "-" for score in scores]
            names = [each.task["label"], each.label, str(len(each.runs))]
            row = [*names, *cells, *_published(each.environment)]
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _published(environment: str) -> Iterator[str]:
    for metric in ("best_reward", "mean_reward"):
        figure = published_results().get((environment, "r2po", metric))
        yield figure.text if figure else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs-root", type=Path, default=Path("logs/search_baselines"), metavar="DIR")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"seeds 1 to this number ({RUNS})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one per core)")
    parser.add_argument("--only-env", action="append", choices=list(TASKS), help="a task; may be repeated")
    parser.add_argument("--protocol", default="published", choices=("published", "controlled"))
    options = parser.parse_args(arguments)
    wanted = list(configs(options.logs_root, options.only_env or FASTEST_FIRST, options.protocol))
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        futures = [pool.submit(run, config, seed) for config in wanted for seed in range(1, options.runs + 1)]
        for future in as_completed(futures):
            print(future.result(), flush=True)
    print(table(find_experiments(options.logs_root, only_env=options.only_env or ())))


if __name__ == "__main__":
    main()
