"""What a run would do: its config, the first prompt of each role, and what to expect. No model is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from r2po.config import Config
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, Model
from r2po.llm.providers import embedded_code
from r2po.llm.providers.embedded import NAME, EmbeddedSearch
from r2po.llm.providers.embedded_code import EmbeddedCode
from r2po.llm.store import CallStore
from r2po.llm.types import CRITIC, SEARCH, Provider, Question, Received, T
from r2po.methods import Step
from r2po.policies import Solution
from r2po.prompts.history import write_history
from r2po.rollout import Rollouts
from r2po.runlog import RunDirectory

CHARACTERS_PER_TOKEN = 2.5
"""Prompts here are mostly numbers, which take more tokens per character than prose."""


def preview(config: Config) -> str:
    """Return the text of ``--dry-run``.

    The warm-up and the first iteration really run, with the stand-in in the model's place, in a temporary folder.
    """
    seed = 1 if config.seed is None else config.seed
    with closing(Setting(config, seed)) as setting, tempfile.TemporaryDirectory(prefix="r2po-dry-run-") as folder:
        asked, longest, line_chars = _first_iteration(setting, Path(folder))
    resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    parts = [_headline("resolved config"), resolved]
    if not setting.method.asks_model:
        parts += [_headline("what to expect"), "calls: none, the method asks no model", _episodes(setting)]
        return "\n".join(parts) + "\n"
    for first, last, question in _distinct(asked):
        which = f"prompt {first}" if first == last else f"prompts {first} to {last}, the same,"
        parts += [_headline(f"{which} of iteration 1: {question.role}"), question.prompt]
    parts += [
        _headline("what to expect"),
        *_expectations(setting, asked, longest, line_chars),
        "",
        f"The first prompt is exactly what the model would get with seed {seed}; later ones depend on its replies, "
        f"which {_stand_in(setting)[0]} gave here in its place.",
    ]
    return "\n".join(parts) + "\n"


def _distinct(asked: Sequence[Question]) -> Iterator[tuple[int, int, Question]]:
    """Yield the prompts in order, equal ones once: the numbers of the first and the last of them, and the question."""
    last = 0
    for _, alike in groupby(asked, key=lambda question: question.prompt):
        group = list(alike)
        first, last = last + 1, last + len(group)
        yield first, last, group[0]


def _first_iteration(setting: Setting, folder: Path) -> tuple[list[Question], list[Question], int]:
    """Return the questions of the first iteration, the longest that it could ask, and the length of a history line."""
    directory = RunDirectory.create(folder)
    with closing(CallStore(directory.path)) as store:
        name, provider = _stand_in(setting)
        client = _Client({SEARCH: Model(provider, name, {})}, store, max_attempts=1, max_wait_s=0.0)
        experiment = Experiment(setting, directory, client, Observer())
        experiment.warm_up()
        history = list(experiment.history)
        with closing(experiment.evaluations):
            experiment.remember(experiment.iterate(1))
        asked, client.asked = client.asked, []
        long_rollouts = partial(_long_rollouts, setting)
        setting.method.iterate(Step(setting.brief, history, 1, client, long_rollouts, clip=False, seed=setting.seed))
    line = write_history(experiment.history[-1:], setting.brief, "phases", with_rollouts=True)
    return asked, client.asked, len(line) + 1


def _stand_in(setting: Setting) -> tuple[str, Provider]:
    """Return what answers in the model's place, with its name."""
    if setting.policy.walled:
        return embedded_code.NAME, EmbeddedCode(errs=False)
    return NAME, EmbeddedSearch()


@dataclass
class _Client(Client):
    """Remembers what it was asked."""

    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        self.asked.append(question)
        return super().ask(question, read)


def _long_rollouts(setting: Setting, solution: Solution, candidate: int) -> Rollouts:
    """Roll out a policy and stretch the rollouts to the most steps they can have, for the size of prompts."""
    length = setting.brief.longest_rollout
    return Rollouts.of(
        [
            replace(
                rollout,
                observations=np.resize(rollout.observations, (length + 1, *rollout.observations.shape[1:])),
                actions=np.resize(rollout.actions, (length, *rollout.actions.shape[1:])),
                rewards=np.resize(rollout.rewards, length),
            )
            for rollout in setting.evaluate(solution, setting.seeds(1, candidate))
        ]
    )


def _expectations(setting: Setting, asked: list[Question], longest: list[Question], line_chars: int) -> list[str]:
    config, iterations = setting.config, setting.expected_iterations
    each = setting.method.calls_per_iteration(dict(config))
    lines = [
        f"calls: {each * iterations} ({each} in each of {iterations} iterations), more if replies are unusable",
        _episodes(setting),
        f"rollout engine here: {setting.engine.name}",
    ]
    if config.critic_llm_model_name is not None:
        lines.append(f"models: {SEARCH} {config.llm_model_name}, {CRITIC} {config.critic_llm_model_name}")
    growth = line_chars * (iterations - 1)
    total = 0.0
    for role in dict.fromkeys(question.role for question in asked):
        first = _size(asked, role)
        most = max(first, _size(longest, role)) + growth
        lines.append(
            f"{role} prompts: {first:,} characters in the first iteration, up to about {most:,} in the last "
            f"({_tokens(first)} to {_tokens(most)} tokens)"
        )
        total += sum(question.role == role for question in asked) * iterations * (first + most) / 2
    lines.append(f"prompt tokens in total: up to about {_tokens(total)}")
    return lines


def _episodes(setting: Setting) -> str:
    config = setting.config
    expected = setting.expected_iterations
    evaluations = setting.method.evaluations_per_iteration(dict(config)) * expected
    chooses = setting.method.needs_reevaluation(dict(config))
    again = config.reevaluation_episodes * expected if chooses else 0
    fresh = f", {again} of accepted candidates again" if again else ""
    return (
        f"episodes: {evaluations * config.num_evaluation_episodes} in evaluations, {config.warmup_episodes} in the "
        f"warm-up, {config.heldout_episodes} held-out{fresh}; at most {setting.brief.longest_rollout} steps each"
    )


def _size(questions: list[Question], role: str) -> int:
    return max(len(question.prompt) for question in questions if question.role == role)


def _tokens(characters: float) -> str:
    return f"{characters / CHARACTERS_PER_TOKEN:,.0f}"


def _headline(text: str) -> str:
    return f"===== {text} ====="
