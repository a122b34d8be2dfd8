"""The end of a run: fresh episodes of accepted candidates and of the best policy, and what sums the run up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from r2po.experiment.best import write_best_policy
from r2po.experiment.evaluations import Evaluations
from r2po.experiment.observer import Observer
from r2po.experiment.reevaluation import accepted_of, reevaluate
from r2po.experiment.result import sum_up
from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.rollout import EvaluationFailed, Rollouts
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import IterationRecord, Result


def conclude(
    setting: Setting,
    directory: RunDirectory,
    client: Client,
    observer: Observer,
    evaluations: Evaluations,
    best: Mapping[str, Any] | None,
) -> Result:
    """Re-evaluate on fresh episodes, outside the budget, and write ``result.json``, by which the run is complete.

    ``best`` holds reward, iteration and solution of the best policy; None if none worked.
    """
    iterations = directory.read_iterations()
    _reevaluate_accepted(setting, directory, observer, iterations)
    heldout, failure = Rollouts.unfinished(()), None
    if best is not None and setting.heldout_seeds:
        try:
            heldout = evaluations.evaluate("held-out", setting.policy.load(best["solution"]), setting.heldout_seeds)
        except EvaluationFailed as failed:
            failure = failed.failure
    result = sum_up(setting, client, iterations, best, heldout, failure)
    if best is not None and setting.policy.kind == "program":
        result["deterministic"] = _is_deterministic(setting, evaluations, iterations[best["iteration"] - 1])
    write_best_policy(directory, setting, best)
    directory.write_result(result)
    return result


def _reevaluate_accepted(
    setting: Setting, directory: RunDirectory, observer: Observer, iterations: list[IterationRecord]
) -> None:
    """Roll accepted candidates out on fresh episodes, if the method chose them by their means.

    Those on record are not rolled out again. Nothing of a run depends on them: a damaged file does not stop it.
    """
    config = setting.config
    if not config.reevaluation_episodes or not setting.method.needs_reevaluation(dict(config)):
        return
    try:
        accepted = accepted_of(setting, iterations)
        reevaluate(setting, directory.reevaluation, accepted, config.reevaluation_episodes, observer.reevaluating)
    except DamagedLog as error:
        observer.note(f"accepted candidates are not re-evaluated: {error}")


def _is_deterministic(setting: Setting, evaluations: Evaluations, record: IterationRecord) -> bool:
    """Return whether the program that an iteration accepted does in its first episode what it did."""
    assert record["accepted"] is not None
    candidate = record["candidates"][record["accepted"]]
    seeds = setting.seeds(record["iteration"], record["accepted"])[:1]
    try:
        again = evaluations.evaluate("first episode of the best policy, again", setting.policy.load(candidate), seeds)
    except EvaluationFailed:
        return False
    outcome = (again.returns[0], again.lengths[0], again.ends[0])
    return bool(outcome == (candidate["returns"][0], candidate["lengths"][0], candidate["ends"][0]))
