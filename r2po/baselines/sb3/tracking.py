"""Trials that trackers follow: they hear of each after the screen, and after the log is synced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from r2po.baselines.sb3.plan import Plan
from r2po.baselines.sb3.screen import SuiteScreen
from r2po.trackers import Tracker
from r2po.trackers.following import Following


class TrackedSuite(SuiteScreen):
    """Tells a screen, and lets trackers follow the trial that is under way.

    Args:
        screen: The screen.
        trackers: The trackers; may be none.
        environ: The variables whose keys are blanked in what is sent.
    """

    def __init__(self, screen: SuiteScreen, trackers: Sequence[Tracker], environ: Mapping[str, str]) -> None:
        super().__init__()
        self._screen = screen
        self._following = Following(trackers, environ, screen.note)

    def started(self, plans: Sequence[Plan], done: int) -> None:
        """Tell the screen."""
        self._screen.started(plans, done)

    def note(self, text: str) -> None:
        """Tell the screen."""
        self._screen.note(text)

    def trial_started(self, plan: Plan) -> None:
        """There is a description by now."""
        self._screen.trial_started(plan)
        self._following.begin(plan.directory.path)

    def evaluated(self, plan: Plan, record: dict[str, Any]) -> None:
        """There is another line in the log."""
        self._screen.evaluated(plan, record)
        self._following.look()

    def trial_finished(self, plan: Plan, result: dict[str, Any]) -> None:
        """All is there."""
        self._screen.trial_finished(plan, result)
        self._following.finish(complete=True)

    def algorithm_finished(self, name: str, summary: dict[str, Any]) -> None:
        """Tell the screen."""
        self._screen.algorithm_finished(name, summary)

    def close(self) -> None:
        """Send what the log holds of a trial that was stopped."""
        self._following.finish(complete=False)
        self._screen.close()
