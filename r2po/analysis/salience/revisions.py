"""Every iteration in which two policies were tried one after the other, as the salience analysis sees it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from r2po.analysis.logs.iteration_data import IterationData
from r2po.analysis.logs.replies import Exchange, RunReplies
from r2po.analysis.logs.revisions import Both, both_of, has_critic, mean_returns
from r2po.analysis.logs.run_data import Floats, MethodOnTask, RunData
from r2po.analysis.salience.edits import RULES, Edit, EditRules, Thresholds, measure_edit
from r2po.analysis.salience.returns import Direction, Extremes, Halves, direction, extremes, halve
from r2po.analysis.statistics.bootstrap import ConfidenceInterval
from r2po.analysis.statistics.noise import mean_changes
from r2po.runlog.facts import MethodFacts, TaskFacts
from r2po.seeding import derive_seed

PHRASES = ("worst rollout", "worst trajectory")

# The published code's logs of long environments may lack the rollouts; ThreeTraj's prompts name the three returns.
_SHOWN = re.compile(r"^(Worst|Median|Best) rollout \(rollout \d+, reward=(-?[0-9.]+)\):", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Revision(MethodOnTask):
    """One iteration of a method that has a proposal and a revision of it, or a second one.

    Attributes:
        run: Name of the run's folder.
        iteration: Its number, from 1.
        initial: Mean return of the first policy.
        revised: Mean return of the second one.
        accepted: Which of them was kept, 0 or 1; None if another candidate was.
        shown: Worst, median and best return of the first policy; None if its returns are not on record.
        halves: Sign and direction from rollouts of their own; None if returns are not on record, or too few.
        rollouts: Numbers of returns of both policies; None if they are not on record.
        says_worst: Whether the critic's reply has the word "worst"; None without a critic or its reply.
        says_phrase: Whether it has "worst rollout" or "worst trajectory"; likewise.
        edit: What was changed; None if the parameters are not on record.
        change: ``revised - initial`` with its bootstrap interval over rollouts; None without at least two returns each.
        paired: Whether both were tried on the same seeds.
        limits: What makes a pattern of the edit; None if the task's scale of rewards is not known.
        category: Pattern of edit and change of reward; None if the parameters or the limits are not known.
        initial_params: Flat parameters of the first policy, or None.
        revised_params: Those of the second one, or None.
    """

    task: TaskFacts
    facts: MethodFacts
    run: str
    iteration: int
    initial: float
    revised: float
    accepted: int | None
    shown: Extremes | None
    halves: Halves | None
    rollouts: tuple[int, int] | None
    says_worst: bool | None
    says_phrase: bool | None
    edit: Edit | None
    change: ConfidenceInterval | None
    paired: bool
    limits: Thresholds | None
    category: str | None
    initial_params: Floats | None
    revised_params: Floats | None

    @property
    def delta(self) -> float:
        """Change of the mean return."""
        return self.revised - self.initial

    @property
    def direction(self) -> Direction:
        """Whether the mean return fell, rose or stayed, up to rounding."""
        return direction(self.initial, self.revised)

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval of the change excludes 0; None if it has none."""
        return None if self.change is None else not self.change.low <= 0 <= self.change.high

    def mentions(self, mode: str) -> bool | None:
        """Whether the critic speaks of the worst rollout, by ``"word"`` or by ``"phrase"``."""
        return self.says_worst if mode == "word" else self.says_phrase


def read_revisions(run: RunData, replies: RunReplies, rules: EditRules = RULES) -> list[Revision]:
    """Return the iterations of a run in which two policies were tried; those half on record are left out."""
    pair = run.facts["pair"]
    tried = [(each, both) for each in run.iterations if (both := both_of(each.candidates, pair)) is not None]
    changes = _changes(run, [both for _, both in tried])
    critic = replies.critic if has_critic(run.facts) else lambda _: None
    found = zip(tried, changes, strict=True)
    return [_revision(run, each, both, critic(each.number), change, rules) for (each, both), change in found]


def _revision(
    run: RunData,
    iteration: IterationData,
    both: Both,
    reply: Exchange | None,
    change: ConfidenceInterval | None,
    rules: EditRules,
) -> Revision:
    first, second = both
    initial, revised = mean_returns(both)
    accepted = iteration.candidates[iteration.accepted]
    returns = None if first.returns is None or second.returns is None else (first.returns, second.returns)
    edit = None
    if first.params is not None and second.params is not None:
        tabular = (run.settings.get("policy") or run.task["policy"]) == "tabular"
        edit = measure_edit(first.params, second.params, tabular=tabular, rules=rules)
    limits = rules.thresholds(run.task)
    category = None
    if edit is not None and limits is not None:
        category = rules.categorise(direction(initial, revised), edit, initial, revised - initial, limits)
    text = None if reply is None else " ".join(reply.text.casefold().split())
    return Revision(
        task=run.task,
        facts=run.facts,
        run=run.name,
        iteration=iteration.number,
        initial=initial,
        revised=revised,
        accepted=both.index(accepted) if accepted in both else None,
        shown=_named(reply) if first.returns is None else extremes(first.returns),
        halves=None if returns is None else halve(*returns),
        rollouts=None if returns is None else (returns[0].size, returns[1].size),
        says_worst=None if text is None else "worst" in text,
        says_phrase=None if text is None else any(phrase in text for phrase in PHRASES),
        edit=edit,
        change=change,
        paired=_is_paired(run),
        limits=limits,
        category=category,
        initial_params=first.params,
        revised_params=second.params,
    )


def _named(reply: Exchange | None) -> Extremes | None:
    """Return the three returns that the critic's prompt names, if it does."""
    named = dict(_SHOWN.findall(reply.prompt)) if reply else {}
    return Extremes(*(float(named[key]) for key in ("Worst", "Median", "Best"))) if len(named) == 3 else None


def _is_paired(run: RunData) -> bool:
    return run.protocol == "controlled"


def _changes(run: RunData, pairs: Sequence[Both]) -> list[ConfidenceInterval | None]:
    """Return the interval of each change; all pairs with equal numbers of rollouts at once."""
    result: list[ConfidenceInterval | None] = [None] * len(pairs)
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, pair in enumerate(pairs):
        first, second = (each.returns for each in pair)
        if first is not None and second is not None and min(first.size, second.size) > 1:
            by_size.setdefault((first.size, second.size), []).append(index)
    generator = np.random.default_rng(derive_seed(0, "noise", run.environment, run.method, run.name))
    for (before, after), indices in by_size.items():
        first, second = (np.array([pairs[i][side].returns for i in indices]) for side in (0, 1))
        found = mean_changes(first, second, generator, paired=_is_paired(run) and before == after)
        for index, *values in zip(indices, found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True):
            result[index] = ConfidenceInterval(*values)
    return result
