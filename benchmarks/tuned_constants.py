"""What tuning constants is worth, beside the same programs untuned: ``python -m benchmarks.tuned_constants``.

No model is asked: three plain policies for each environment stand in for its replies (``benchmarks/gaits.py``). Both
methods make one round of them with the same number of episodes. ``promptpo_tuned`` spends most of them on the constants
of the best one, ``promptpo`` on more episodes of each. Prints a Markdown table of held-out returns over the seeds 1 to
5. What is finished is not run again, what was interrupted goes on. ``--runs 0`` only prints the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.gaits import GAITS, SUMMARIZE
from benchmarks.search_baselines import run
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.output.scores import score_of
from r2po.config import Config
from r2po.config.complete import filled
from r2po.llm.registry import PROVIDERS, ProviderKind
from r2po.llm.types import Provider, Reply, Request
from r2po.tasks import task_for

RUNS = 5
EPISODES = 5
"""Of a candidate's evaluation, where constants are tuned."""
TUNE_EVALUATIONS, TUNE_EPISODES = 80, 2
HELDOUT = 50
MODEL = "benchmark/gaits"
METHODS = ("promptpo", "promptpo_tuned")
_FASTEST_FIRST = ("InvertedDoublePendulum-v5", "Swimmer-v5", "HalfCheetah-v5")


class Gaits(Provider):
    """Answers with the policies for the environment that the prompt names, in order."""

    is_stand_in = True

    def complete(self, request: Request) -> Reply:
        """Return the policy of this sample, or the function that summarizes episodes."""
        if request.role == "feedback":
            return Reply(f"```python\n{SUMMARIZE}\n```")
        found = [gym_id for gym_id in GAITS if f"# Environment: {task_for(gym_id).label}\n" in request.prompt]
        return Reply(f"```python\n{GAITS[found[0]][request.sample]}\n```")


def configs(root: Path) -> Iterator[Config]:
    """Return the configs of all runs, with log directories under ``root``."""
    for gym_id in _FASTEST_FIRST:
        count = len(GAITS[gym_id])
        tuning = TUNE_EVALUATIONS * TUNE_EPISODES + EPISODES  # and the tuned policy on the round's episodes
        own: dict[str, dict[str, Any]] = {
            "promptpo": {"num_evaluation_episodes": EPISODES + tuning // count},
            "promptpo_tuned": {
                "num_evaluation_episodes": EPISODES,
                "tune_evaluations": TUNE_EVALUATIONS,
                "tune_episodes": TUNE_EPISODES,
            },
        }
        assert tuning % count == 0, "both methods are to have the same number of episodes"
        for method in METHODS:
            config = Config(
                gym_env_name=gym_id,
                method=method,
                llm_model_name=MODEL,
                logdir=str(root / f"{task_for(gym_id).name}_{method}"),
                num_iterations=1,
                candidates=count,
                heldout_episodes=HELDOUT,
                **own[method],
            )
            yield filled(config)


def run_with_gaits(config: Config, seed: int) -> str:
    """Run an experiment with one seed, as far as it is not done; returns a line that says how it went."""
    if "gaits" not in PROVIDERS:
        kind = ProviderKind("gaits", "", "", lambda name: name == MODEL, lambda _name, _settings: Gaits())
        PROVIDERS.register(kind)
    return run(config, seed)


def table(experiments: Sequence[ExperimentLogs]) -> str:
    """Return held-out returns as Markdown: mean ± standard deviation over runs, and the episodes of a run."""
    lines = ["| environment | method | runs | episodes | held-out |", "|---|---|---:|---:|---:|"]
    for each in experiments:
        complete = [one for one in each.runs if one.complete]
        score = score_of(each.label, [one.heldout.reward for one in complete if one.heldout])
        if complete and score:
            episodes = sorted({one.spent.episodes for one in complete})
            cells = [each.task["label"], each.label, str(len(complete)), ", ".join(map(str, episodes)), score.text]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs-root", type=Path, default=Path("logs/tuned_constants"), metavar="DIR")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"seeds 1 to this number ({RUNS})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one per core)")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        seeds = range(1, options.runs + 1)
        futures = [pool.submit(run_with_gaits, config, seed) for seed in seeds for config in configs(options.logs_root)]
        for future in as_completed(futures):
            print(future.result(), flush=True)
    print(table(find_experiments(options.logs_root)))


if __name__ == "__main__":
    main()
