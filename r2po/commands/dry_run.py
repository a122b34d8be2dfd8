"""What a run would do: its config, the first prompt of each role, and what to expect. No model is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from r2po.config import Config
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, Model
from r2po.llm.providers.embedded import NAME, EmbeddedSearch
from r2po.llm.store import CallStore
from r2po.llm.types import CRITIC, SEARCH, Question, Received, T
from r2po.methods import Step
from r2po.policies import Solution
from r2po.rollout import Rollouts
from r2po.runlog import RunDirectory
from r2po.trial import Trial

CHARACTERS_PER_TOKEN = (1.4, 2.3)
"""By tokenizer, as measured on prompts of all methods: they are mostly numbers, and some give each digit a token."""


@dataclass(frozen=True)
class _Sizes:
    """How long the prompts of a role are, in characters.

    Attributes:
        first: In the first iteration, with the rollouts that were made.
        longest: The same with rollouts as long as can be.
        growth: What each further trial of the history adds.
    """

    first: int
    longest: int
    growth: int

    def last(self, iterations: int, *, longest: bool) -> int:
        """Return the length in the last iteration."""
        return max(self.first, self.longest if longest else 0) + self.growth * (iterations - 1)


def preview(config: Config) -> str:
    """Return the text of ``--dry-run``.

    The warm-up and the first iteration really run, with the stand-in in the model's place, in a temporary folder.
    """
    seed = 1 if config.seed is None else config.seed
    with closing(Setting(config, seed)) as setting, tempfile.TemporaryDirectory(prefix="r2po-dry-run-") as folder:
        asked, sizes = _first_iteration(setting, Path(folder))
    resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    parts = [_headline("resolved config"), resolved]
    if not setting.method.asks_model:
        parts += [_headline("what to expect"), "calls: none, the method asks no model", _episodes(setting)]
        return "\n".join(parts) + "\n"
    for index, question in enumerate(asked, 1):
        parts += [_headline(f"prompt {index} of iteration 1: {question.role}"), question.prompt]
    parts += [
        _headline("what to expect"),
        *_expectations(setting, asked, sizes),
        "",
        f"The first prompt is exactly what the model would get with seed {seed}; later ones depend on its replies, "
        f"which {NAME} gave here in its place.",
    ]
    return "\n".join(parts) + "\n"


def _first_iteration(setting: Setting, folder: Path) -> tuple[list[Question], dict[str, _Sizes]]:
    """Return the questions of the first iteration, and for each role how long they are and can be."""
    directory = RunDirectory.create(folder)
    with closing(CallStore(directory.path)) as store:
        client = _Client({SEARCH: Model(EmbeddedSearch(), NAME, {})}, store, max_attempts=1, max_wait_s=0.0)
        experiment = Experiment(setting, directory, client, Observer())
        experiment.warm_up()
        history = list(experiment.history)
        experiment.remember(experiment.iterate(1))
        asked = client.asked
        longest = _with_long_rollouts(setting, client, history)
        grown = _with_long_rollouts(setting, client, experiment.history)
    sizes = {}
    for role in dict.fromkeys(question.role for question in asked):
        before, after = _size(longest, role), _size(grown, role)
        sizes[role] = _Sizes(_size(asked, role), before, max(after - before, 0))
    return asked, sizes


def _with_long_rollouts(setting: Setting, client: _Client, history: Sequence[Trial]) -> list[Question]:
    """Return the questions of an iteration after a history, whose rollouts are as long as can be."""
    client.asked = []
    long_rollouts = partial(_long_rollouts, setting)
    setting.method.iterate(Step(setting.brief, history, 1, client, long_rollouts, clip=False, seed=setting.seed))
    return client.asked


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


def _expectations(setting: Setting, asked: list[Question], sizes: Mapping[str, _Sizes]) -> list[str]:
    config = setting.config
    assert config.num_iterations is not None
    calls = len(asked) * config.num_iterations
    lines = [
        f"calls: {calls} ({len(asked)} in each of {config.num_iterations} iterations), more if replies are unusable",
        _episodes(setting),
        f"rollout engine here: {setting.engine.name}",
    ]
    if config.critic_llm_model_name is not None:
        lines.append(f"models: {SEARCH} {config.llm_model_name}, {CRITIC} {config.critic_llm_model_name}")
    iterations, usual, most = config.num_iterations, 0.0, 0.0
    for role, size in sizes.items():
        last, longest = (size.last(iterations, longest=longest) for longest in (False, True))
        stretched = f", {longest:,} with the longest rollouts ({_tokens(longest)} tokens)" if longest > last else ""
        lines.append(
            f"{role} prompts: {size.first:,} characters in the first iteration ({_tokens(size.first)} tokens), "
            f"about {last:,} in the last ({_tokens(last)} tokens){stretched}"
        )
        prompts = sum(question.role == role for question in asked) * iterations
        usual += prompts * (size.first + last) / 2
        most += prompts * (max(size.first, size.longest) + longest) / 2
    stretched = f", and {_tokens(most)} if all rollouts are as long as can be" if most > usual else ""
    lines.append(f"prompt tokens in total: about {_tokens(usual)} with rollouts as in the first iteration{stretched}")
    return lines


def _episodes(setting: Setting) -> str:
    config = setting.config
    assert config.num_iterations is not None
    evaluations = setting.method.evaluations_per_iteration(dict(config)) * config.num_iterations
    return (
        f"episodes: {evaluations * config.num_evaluation_episodes} in evaluations, {config.warmup_episodes} in the "
        f"warm-up, {config.heldout_episodes} held-out; at most {setting.brief.longest_rollout} steps each"
    )


def _size(questions: list[Question], role: str) -> int:
    return max(len(question.prompt) for question in questions if question.role == role)


def _tokens(characters: float) -> str:
    """Write how many tokens so many characters may be, with two digits: no more are known."""
    most, least = (float(f"{characters / each:.2g}") for each in CHARACTERS_PER_TOKEN)
    return f"{least:,.0f} to {most:,.0f}"


def _headline(text: str) -> str:
    return f"===== {text} ====="
