"""What a suite shows: progress bars on a terminal, plain lines elsewhere, nothing with ``--quiet``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from r2po.baselines.sb3.plan import Plan
from r2po.prompts.numbers import number
from r2po.terminal import console as make_console

SHARES = 10
"""Lines of progress per trial where there is no terminal."""
COUNTING = {
    "published": "evaluation episodes count against the budget, as in the published comparison",
    "controlled": "only training counts against the budget; environments and rewards are as the zoo says",
}


class SuiteScreen:
    """Finds the words for what a suite reports; prints nothing, which is what ``--quiet`` wants."""

    def __init__(self) -> None:
        self._share = 0

    def say(self, line: str) -> None:
        """Print a line."""

    def close(self) -> None:
        """The suite is over, complete or not: leave the terminal as it was."""

    def started(self, plans: Sequence[Plan], done: int) -> None:
        """Say what is run, with what, and where; ``done`` of the trials are complete."""
        config = plans[0].config
        self.say(f"Stable-Baselines3 on {config.task.label}, protocol {config.protocol}: {COUNTING[config.protocol]}")
        if config.algorithms is None and config.wanted_algorithms is not None:
            names = ", ".join(config.wanted_algorithms)
            self.say(
                f"  {names} only, as in the published comparison; --algorithms or the protocol controlled has more"
            )
        for plan in {plan.algorithm: plan for plan in plans}.values():
            source = plan.hyperparameters.source
            parts = {"left out": source["left_out"], "as published": source["published"]}
            more = "".join(f"; {name}: {', '.join(keys)}" for name, keys in parts.items() if keys)
            self.say(f"  {plan.algorithm.name:<5} {plan.hyperparameters.label}{more}")
        self.say(f"  trials {len(plans)}, of which {done} are complete; log directory {config.logdir}")

    def note(self, text: str) -> None:
        """Print the note."""
        self.say(f"note: {text}")

    def trial_started(self, plan: Plan) -> None:
        """Name the trial."""
        self._share = 0
        self.say(f"{_name(plan)}: budget {plan.budget.target} {plan.config.budget_mode}, seed {plan.seed}")

    def evaluated(self, plan: Plan, record: dict[str, Any]) -> None:
        """Say how far the trial is, now and then; ``record`` is the line in the log."""
        used, target = _used(plan, record), plan.budget.target
        share = SHARES * used // target
        if share > self._share:
            self._share = share
            self.say(f"{_name(plan)}: {used}/{target} {plan.config.budget_mode}  {_rewards(record)}")

    def trial_finished(self, plan: Plan, result: dict[str, Any]) -> None:
        """Summarize the trial."""
        self.say(
            f"{_name(plan)}: best {number(result['best_reward'])}, held-out {_or_dash(result['heldout_reward'])}, "
            f"final {number(result['final_reward'])}; {result['training_episodes']} training and "
            f"{result['evaluation_episodes']} evaluation episodes in {result['train_time_s']:.1f} s"
        )

    def algorithm_finished(self, name: str, summary: dict[str, Any]) -> None:
        """Summarize the algorithm."""
        spread = f"{number(summary['mean_best_reward'], 4)} ± {number(summary['std_best_reward'], 4)}"
        self.say(
            f"{name}: {summary['num_runs']} trials, best {spread}, held-out {_or_dash(summary['mean_heldout_reward'])}"
        )


class SuiteLines(SuiteScreen):
    """One plain line per event, for logs and pipes."""

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)  # noqa: T201 - the screen


class SuiteBars(SuiteScreen):
    """Two bars, of the suite and of the trial, below the lines."""

    def __init__(self) -> None:
        super().__init__()
        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
        console = make_console(soft_wrap=True)
        self._bars = Progress(*columns, TextColumn("{task.fields[rewards]}"), console=console)
        self._suite: TaskID | None = None
        self._trial: TaskID | None = None

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(line)

    def started(self, plans: Sequence[Plan], done: int) -> None:
        """Show the suite's bar."""
        super().started(plans, done)
        self._suite = self._bars.add_task("suite", total=len(plans), completed=done, rewards="")
        self._bars.start()

    def trial_started(self, plan: Plan) -> None:
        """Show the trial's bar."""
        self._trial = self._bars.add_task(_name(plan), total=plan.budget.target, rewards="")

    def evaluated(self, plan: Plan, record: dict[str, Any]) -> None:
        """Move the trial's bar."""
        assert self._trial is not None
        self._bars.update(self._trial, completed=_used(plan, record), rewards=_rewards(record))

    def trial_finished(self, plan: Plan, result: dict[str, Any]) -> None:
        """Replace the trial's bar with its summary."""
        assert self._trial is not None
        assert self._suite is not None
        self._bars.remove_task(self._trial)
        self._bars.advance(self._suite)
        super().trial_finished(plan, result)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


def make_suite_screen(*, quiet: bool) -> SuiteScreen:
    """Return the screen that fits the process's output."""
    if quiet:
        return SuiteScreen()
    return SuiteBars() if sys.stdout.isatty() else SuiteLines()


def _name(plan: Plan) -> str:
    return f"{plan.algorithm.name} {plan.directory.path.name}"


def _used(plan: Plan, record: dict[str, Any]) -> int:
    return int(record[plan.config.budget_mode])


def _rewards(record: dict[str, Any]) -> str:
    return f"reward {number(record['reward'])}  best {number(record['best_reward'])}"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else number(value)
