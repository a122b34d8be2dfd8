"""Makes iterations of a proposal and a revision from their returns alone, and logs of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.iteration_data import CandidateData
from r2po.analysis.logs.revisions import mean_returns
from r2po.analysis.salience.returns import extremes, halve
from r2po.analysis.salience.revisions import Revision
from tests.analysis.made_logs import iteration, write_lines, write_run


def revision(
    initial: ArrayLike,
    revised: ArrayLike,
    run: int = 1,
    environment: str = "frozenlake",
    method: str = "pure_search",
    *,
    mentions: bool | None = None,
) -> Revision:
    """Return an iteration in which a proposal and a revision had these returns."""
    first, second = np.asarray(initial, dtype=np.float64), np.asarray(revised, dtype=np.float64)
    before, after = mean_returns(
        tuple(CandidateData("any", float(each.mean()), None, each) for each in (first, second))  # type: ignore[arg-type]
    )
    return Revision(
        task=task_facts(environment),
        facts=method_facts(method),
        run=f"run_{run}",
        iteration=1,
        initial=before,
        revised=after,
        accepted=None,
        shown=extremes(first),
        halves=halve(first, second),
        rollouts=(first.size, second.size),
        says_worst=mentions,
        says_phrase=mentions,
        edit=None,
        change=None,
        paired=False,
        limits=None,
        category=None,
        initial_params=None,
        revised_params=None,
    )


def write_pairs(logdir: Path, number: int, pairs: Sequence[tuple[Any, Any]]) -> None:
    """Write a run of PureSearch on FrozenLake whose two policies of each iteration had these returns."""
    config = {"gym_env_name": "FrozenLake-v1", "method": "pure_search"}
    rewards = [float(np.mean(after)) for _, after in pairs]
    run = write_run(logdir, number, rewards, config=config)
    stages = method_facts("pure_search")["pair"]
    assert stages is not None
    names = (stages["proposal"], stages["revision"])
    lines = []
    for index, pair in enumerate(pairs, 1):
        candidates = [
            {"stage": name, "returns": np.asarray(each).tolist()} for name, each in zip(names, pair, strict=True)
        ]
        lines.append(iteration(index, rewards[index - 1]) | {"candidates": candidates})
    write_lines(run, lines)
