"""Runs as pandas DataFrames, for analyses of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from r2po.analysis.evaluation.summary import summarise_run
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.replies import RunReplies
from r2po.analysis.logs.revisions import FIGURES
from r2po.analysis.logs.run_data import Floats, RunData
from r2po.analysis.logs.spending import FROM_CALLS, incumbent, spending_of
from r2po.analysis.logs.tally import tally
from r2po.errors import R2POError

if TYPE_CHECKING:
    import pandas as pd

RUN_COLUMNS = (
    "environment",
    "method",
    "variant",
    "algorithm",
    "model",
    "critic_model",
    "stand_in",
    "protocol",
    "prompts",
    "prompts_hash",
    "plugins_hash",
    "origin",
    "logdir",
    "run",
)
"""What tells a run from all others; the first columns of each frame."""


class Frames(NamedTuple):
    """Runs as tables.

    Attributes:
        runs: One row per run: what it is, its figures as in ``summary.json``, and its config, a column per key.
        iterations: One row per candidate of each iteration: reward, parameters, returns.
        calls: One row per reply that was used: role, reply, and the prompt if it was asked for.
        problems: One line for each run, file or row that is left out or odd; last, how many runs are left out and why.
    """

    runs: pd.DataFrame
    iterations: pd.DataFrame
    calls: pd.DataFrame
    problems: tuple[str, ...]


def load_runs(
    logs_root: str | Path = "logs",
    max_runs: int | None = None,
    only_env: Sequence[str] = (),
    only_method: Sequence[str] = (),
    calls: bool = True,
    prompts: bool = False,
    costs: bool = False,
) -> Frames:
    """Read all runs under a folder, in this project's or the published code's format.

    Args:
        logs_root: Where log directories are, at any depth; may be a log directory itself.
        max_runs: Largest number of runs of each experiment.
        only_env: Keys or labels of environments; all if empty.
        only_method: Keys or labels of methods; all if empty.
        calls: Whether to read replies, which are most of the bytes; without, ``calls`` is empty.
        costs: Whether to read from the calls what tokens and money were spent; without, these columns are empty.
        prompts: Whether to give each reply its prompt. They repeat each other: a long run's take a gigabyte of memory.

    Raises:
        InputError: There is no such folder, environment or method.
        R2POError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise R2POError(f"load_runs needs pandas: pip install pandas ({error})") from None
    experiments = find_experiments(logs_root, max_runs, only_env, only_method)
    runs = [run for experiment in experiments for run in experiment.runs]
    replies = [RunReplies(run, prompts=prompts) for run in runs] if calls else []
    spent = [_Spent.of(run, read=costs) for run in runs]
    pairs = list(zip(runs, spent, strict=True))
    return Frames(
        pd.DataFrame([_run_row(run, each) for run, each in pairs], columns=[*_RUN, *_config_keys(runs)]),
        pd.DataFrame([row for pair in pairs for row in _iteration_rows(*pair)], columns=[*RUN_COLUMNS, *_ITERATION]),
        pd.DataFrame([row for each in replies for row in _call_rows(each, prompts)], columns=[*RUN_COLUMNS, *_CALL]),
        (
            *_problems(experiments),
            *(f"{each.run.path}: {each.problem}" for each in replies if each.problem),
            *(f"{run.path}: {problem}" for run, each in pairs for problem in each.problems),
            *(f"{logs_root}: {line}" for line in tally(experiments)),
        ),
    )


class _Spent(NamedTuple):
    """What a run had spent by the end of each iteration, (n,) each; nan where that is not known or was not read."""

    calls: Floats
    tokens: Floats
    money: Floats
    problems: tuple[str, ...]

    @classmethod
    def of(cls, run: RunData, *, read: bool) -> _Spent:
        """Return what is known of a run; tokens and money only if they are to be ``read``."""
        units = ("calls", *(FROM_CALLS if read else ()))
        found = {unit: spending_of([run], unit)[0] for unit in units}
        unknown = np.full(run.num_iterations, np.nan)
        spent = {unit: each.at for unit, each in found.items() if each.at is not None}
        lacking = [(unit, each.problem) for unit, each in found.items() if read and each.problem]
        calls, tokens, money = (spent.get(unit, unknown) for unit in ("calls", *FROM_CALLS))
        return cls(calls, tokens, money, tuple(f"no {unit} on record: {problem}" for unit, problem in lacking))

    def last(self) -> dict[str, float | None]:
        """Return tokens and money of the whole run."""
        named = (("tokens", self.tokens), ("money", self.money))
        return {name: float(values[-1]) if values.size else None for name, values in named}


_RUN = (
    *RUN_COLUMNS,
    "complete",
    "num_iterations",
    "planned_iterations",
    "best_reward",
    "best_iteration",
    "best_episode",
    "final_reward",
    "mean_reward",
    "std_reward",
    "max_reward",
    "min_reward",
    "heldout_reward",
    "heldout_std",
    "heldout_episodes",
    "reevaluated_mean_reward",
    "reevaluated_final_reward",
    "best_success",
    "final_success",
    "heldout_success",
    *FIGURES,
    "seed",
    "replay_of",
    "copies",
    "llm_calls",
    "tokens",
    "money",
    "episodes",
    "steps",
    "llm_s",
    "total_api_time_s",
    "mean_api_time_per_iter_s",
    "notes",
)
_ITERATION = (
    "iteration",
    "stage",
    "accepted",
    "candidate_reward",
    "reward",
    "reevaluated_reward",
    "best_so_far",
    "reevaluated_best_so_far",
    "episodes",
    "steps",
    "llm_calls",
    "tokens",
    "money",
    "llm_s",
    "params",
    "returns",
    "success",
)
_CALL = ("iteration", "role", "prompt", "reply")


def _key(run: RunData) -> dict[str, Any]:
    special = {"logdir": str(run.path.parent), "run": run.name}
    return {name: special[name] if name in special else getattr(run, name) for name in RUN_COLUMNS}


def _config_keys(runs: Sequence[RunData]) -> list[str]:
    """Return the keys of all configs, in their order, but for those that have a column of their own."""
    return [key for key in {key: None for run in runs for key in run.config} if key not in _RUN]


def _run_row(run: RunData, spent: _Spent) -> dict[str, Any]:
    """Return the row of a run; sections and lists of its config as JSON, by which rows can be grouped."""
    config = {
        key: json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
        for key, value in run.config.items()
    }
    about = {"critic_model": run.critic_model, "prompts_hash": run.prompts_hash, "replay_of": run.replay_of}
    return config | _key(run) | summarise_run(run) | about | {"copies": ", ".join(run.copies)} | spent.last()


def _iteration_rows(run: RunData, spent: _Spent) -> Iterable[tuple[Any, ...]]:
    key = _key(run).values()
    unknown = np.full(run.num_iterations, np.nan)
    fresh = unknown if run.reevaluated is None else run.reevaluated
    best = unknown if run.reevaluated is None else incumbent(run, reevaluated=True)
    rewards = (run.rewards, fresh, run.best_so_far, best)
    logged = zip(*rewards, run.episodes, run.steps, *spent[:3], run.llm_s, strict=True)
    for iteration, figures in zip(run.iterations, logged, strict=False):
        for index, each in enumerate(iteration.candidates):
            what = (iteration.number, each.stage, index == iteration.accepted, each.reward)
            yield (*key, *what, *figures, each.params, each.returns, each.success)


def _call_rows(replies: RunReplies, prompts: bool) -> Iterable[tuple[Any, ...]]:
    key = _key(replies.run).values()
    for number in replies.run.numbers:
        for reply in replies.of(int(number)):
            yield (*key, reply.iteration, reply.role, reply.prompt if prompts else None, reply.text)


def _problems(experiments: Sequence[ExperimentLogs]) -> Iterable[str]:
    for experiment in experiments:
        yield from experiment.remarks
        for run in experiment.runs:
            yield from (f"{run.path}: {each.problem}" for each in run.iterations if each.problem)
