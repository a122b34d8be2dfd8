"""Prompts as real runs write them, with the embedded stand-in for a model."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.runlog.events import read_calls
from tests.builders import make_config, open_experiment
from tests.prompts.facts import ITERATIONS, ROLLOUTS

ITERATIONS_RUN = 3


class Asked(NamedTuple):
    """A question of a run."""

    iteration: int
    role: str
    prompt: str


@cache
def _asked(environment: str, method: str, values: tuple[tuple[str, Any], ...]) -> tuple[Asked, ...]:
    settings = {
        "num_iterations": ITERATIONS_RUN,
        "announced_iterations": ITERATIONS,
        "num_evaluation_episodes": ROLLOUTS,
        "warmup_episodes": 2,
        "heldout_episodes": 0,
        "max_traj_length": 12,
    }
    config = make_config(environment, method, **{**settings, **dict(values)})
    with TemporaryDirectory() as folder, open_experiment(config, EmbeddedSearch(), Path(folder)) as experiment:
        experiment.run()
        calls = read_calls(experiment.directory.path)
    return tuple(Asked(call.iteration, call.role, call.prompt) for call in calls)


def asked(environment: str, method: str, **values: Any) -> tuple[Asked, ...]:
    """Run three iterations, after two warm-up trials, and return what was asked, in order."""
    return _asked(environment, method, tuple(sorted(values.items())))


def prompt_of(environment: str, method: str, role: str, iteration: int = ITERATIONS_RUN, **values: Any) -> str:
    """Return the first prompt of a role in an iteration."""
    return next(
        question.prompt
        for question in asked(environment, method, **values)
        if (question.iteration, question.role) == (iteration, role)
    )
