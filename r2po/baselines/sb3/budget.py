"""What a trial may spend, and what counts against it."""

from __future__ import annotations

from dataclasses import dataclass

from r2po.analysis.logs.load import load_log_directory
from r2po.baselines.sb3.config import SB3Config
from r2po.errors import InputError


@dataclass
class Spent:
    """Episodes and environment steps of a trial so far."""

    training_episodes: int = 0
    training_steps: int = 0
    evaluation_episodes: int = 0
    evaluation_steps: int = 0


@dataclass(frozen=True)
class TrialBudget:
    """The budget of a trial: ``target`` episodes, or steps.

    Attributes:
        counts_evaluations: Whether evaluations are charged to it, as in the published comparison. Such a budget in
            episodes is spent to its end: the last evaluation has the episodes that are left.
        next_evaluation: Training episodes until the next evaluation, and its own episodes.
    """

    target: int
    in_steps: bool
    counts_evaluations: bool
    next_evaluation: tuple[int, int]

    def counted(self, spent: Spent) -> tuple[int, int]:
        """Return the episodes and the steps that count."""
        if not self.counts_evaluations:
            return spent.training_episodes, spent.training_steps
        return (
            spent.training_episodes + spent.evaluation_episodes,
            spent.training_steps + spent.evaluation_steps,
        )

    def used(self, spent: Spent) -> int:
        """Return what counts, in the budget's unit."""
        return self.counted(spent)[self.in_steps]

    def is_spent(self, spent: Spent) -> bool:
        """Whether training must end: nothing is left, or too few training episodes for another whole evaluation."""
        used = self.used(spent)
        needed = 1 if self.in_steps or self.counts_evaluations else self.next_evaluation[0]
        return used + needed > self.target

    def affordable(self, spent: Spent, episodes: int) -> int:
        """Return how many of an evaluation's episodes can be paid for; where they cost nothing, all."""
        if self.in_steps or not self.counts_evaluations:
            return episodes
        return min(episodes, max(0, self.target - self.used(spent)))

    def remaining(self, spent: Spent) -> float:
        """Return the share of the budget that is left, from 1 down to 0."""
        return max(0.0, 1 - self.used(spent) / self.target)

    @property
    def allows_one_evaluation(self) -> bool:
        """Whether it is large enough for anything."""
        training, evaluation = self.next_evaluation
        charged = min(evaluation, 1) if self.counts_evaluations else 0
        return self.in_steps or training + charged <= self.target


def trial_budgets(config: SB3Config) -> list[TrialBudget]:
    """Return the budget of each trial: the config's target, else what the runs of ``reference_logdir`` spent.

    Raises:
        InputError: The reference has too few runs, or a budget is too small for one evaluation.
    """
    periodic = (config.eval_every_episodes, config.eval_episodes) if config.use_periodic_eval else (1, 0)
    in_steps, published = config.budget_mode == "steps", config.protocol == "published"
    budgets = [TrialBudget(target, in_steps, published, periodic) for target in _targets(config)]
    for budget in budgets:
        if not budget.allows_one_evaluation:
            raise InputError(
                f"a budget_target of {budget.target} is too small: it ends before the first evaluation, which follows "
                f"training episode {budget.next_evaluation[0]} (eval_every_episodes; protocol {config.protocol})"
            )
    return budgets


def _targets(config: SB3Config) -> list[int]:
    if config.budget_target is not None:
        return [config.budget_target] * config.num_trials
    assert config.reference_logdir is not None
    try:
        runs = load_log_directory(config.reference_logdir).runs
    except InputError as error:
        raise InputError(f"reference_logdir: {error}") from None
    if len(runs) < config.num_trials:
        raise InputError(
            f"reference_logdir {config.reference_logdir!r} has {len(runs)} usable run{'s' * (len(runs) > 1)}; "
            f"num_trials is {config.num_trials}, and each trial takes the budget of one"
        )
    spent = [run.steps if config.budget_mode == "steps" else run.episodes for run in runs]
    if any(not len(each) for each in spent):
        raise InputError(f"reference_logdir {config.reference_logdir!r} has runs without iterations")
    return [int(each[-1]) for each in spent[: config.num_trials]]
