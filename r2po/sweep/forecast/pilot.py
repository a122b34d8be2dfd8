"""A pilot: the first iterations of an experiment with the stand-in, which show what calls a whole run will make.

Only the stand-in's replies are not those of the model. The environment, the prompts and the method are the run's own.
Prompts grow with the history. How much is measured: the pilot's last prompts are made once more behind a history as
long as that before the last iteration, with the pilot's latest trials over and over.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from r2po.config import Config
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import provider_of
from r2po.experiment.setting import Setting
from r2po.experiment.standing_in import stand_in
from r2po.llm.client import Client, Model
from r2po.llm.registry import kind_of
from r2po.llm.store import CallStore
from r2po.llm.tokens import features_of, usual_tokens
from r2po.llm.types import SEARCH, Provider, Question, Received, T
from r2po.methods import Step
from r2po.policies import Solution
from r2po.rollout import Rollouts
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import Appender
from r2po.runlog.records import IterationRecord
from r2po.sweep.forecast.on_record import size_of

FOLDER = "r2po-forecast-"
_FEWEST = 3
"""Iterations of a pilot at least: some questions are asked from the second one on."""
_REMEMBERED = 4
"""Evaluations whose rollouts are kept."""
_STAND_INS = "embedded"


@dataclass(frozen=True)
class RolePilot:
    """What a role asked in a pilot; each sequence has an entry for each iteration.

    Attributes:
        calls: Number of its calls.
        tokens: Tokens of its prompts, summed.
        growth: Tokens by which a prompt grows with each further iteration.
        reply_tokens: Tokens of a reply of the stand-in, on average.
        stable_share: The part of a prompt that later ones begin with, on average.
    """

    calls: tuple[float, ...]
    tokens: tuple[float, ...]
    growth: float
    reply_tokens: float
    stable_share: float

    def expected(self, iteration: int) -> tuple[float, float]:
        """Return the calls of an iteration, and the tokens of all their prompts; later ones are like the latest."""
        if iteration <= len(self.calls):
            return self.calls[iteration - 1], self.tokens[iteration - 1]
        latest = range(min(len(self.calls) // 2, len(self.calls) - 1), len(self.calls))
        calls = sum(self.calls[index] for index in latest)
        if not calls:
            return 0.0, 0.0
        tokens = sum(self.tokens[index] for index in latest) / calls
        centre = sum((index + 1) * self.calls[index] for index in latest) / calls
        each = calls / len(latest)
        return each, each * (tokens + self.growth * (iteration - centre))


@dataclass(frozen=True)
class Pilot:
    """What the first iterations of an experiment with the stand-in took.

    Attributes:
        iterations: How many there were.
        planned: How many a whole run has.
        roles: What each role asked.
        seconds: What an iteration takes besides waiting for replies, on this machine.
        bytes_before: Disk space of a run before its first iteration.
        bytes_each: Disk space of an iteration.
        stand_in: What answered.
    """

    iterations: int
    planned: int
    roles: dict[str, RolePilot]
    seconds: float
    bytes_before: float
    bytes_each: float
    stand_in: str


def is_stand_in(config: Config) -> bool:
    """Whether the config's own model is one of the stand-ins."""
    return config.llm_model_name is not None and kind_of(config.llm_model_name).name == _STAND_INS


def fly(config: Config, seconds: float, most: float = math.inf) -> Pilot:
    """Make the pilot of an experiment in a temporary folder.

    Args:
        config: Its config.
        seconds: No iteration begins later than that, but for the first few.
        most: Iterations at most.

    Raises:
        InputError: The experiment cannot begin.
        RunStopped: It cannot go on.
    """
    with (
        closing(Setting(config, config.seed or 1)) as setting,
        tempfile.TemporaryDirectory(prefix=FOLDER) as folder,
    ):
        directory = RunDirectory.create(Path(folder))
        with closing(CallStore(directory.path)) as store:
            name, provider = _answering(setting)
            client = _Client({SEARCH: Model(provider, name, {})}, store, max_attempts=1, max_wait_s=0.0)
            return _Flight(setting, directory, client, name).fly(seconds, most)


def _answering(setting: Setting) -> tuple[str, Provider]:
    """Return what answers, with its name: the config's own model if it is a stand-in, slips included."""
    if is_stand_in(setting.config):
        return str(setting.config.llm_model_name), provider_of(setting.config, {})
    return stand_in(setting)


@dataclass
class _Seen:
    """What was asked and answered in an iteration, by role."""

    prompts: dict[str, list[Question]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Client(Client):
    """Remembers what it was asked, and what was answered."""

    seen: _Seen = field(default_factory=_Seen)

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        seen = self.seen
        seen.prompts[question.role].append(question)

        def remembered(text: str) -> T:
            seen.replies[question.role].append(text)
            return read(text)

        return super().ask(question, remembered)


@dataclass
class _Experiment(Experiment):
    """Rolls out candidates as long as there is time; later ones are given the rollouts of earlier ones.

    Prompts are then about as long, and a pilot of slow programs does not take minutes.
    """

    until: float = math.inf
    rolled_out: deque[Rollouts] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    seconds: list[float] = field(default_factory=list)
    lent: list[int] = field(default_factory=list)

    def _evaluate(self, iteration: int, solution: Solution, number: int) -> Rollouts:
        if self.rolled_out and time.monotonic() > self.until:
            self.lent.append(number)
            return self.rolled_out[number % len(self.rolled_out)]
        started = time.monotonic()
        rollouts = super()._evaluate(iteration, solution, number)
        self.seconds.append(time.monotonic() - started)
        self.rolled_out.append(rollouts)
        return rollouts

    @property
    def saved_s(self) -> float:
        """What rollouts would have taken that were lent."""
        return len(self.lent) * _mean(self.seconds)


class _Flight:
    """A pilot under way."""

    def __init__(self, setting: Setting, directory: RunDirectory, client: _Client, name: str) -> None:
        self._setting, self._directory, self._client, self._name = setting, directory, client, name
        self._experiment = _Experiment(setting, directory, client, Observer())
        self._seen: list[_Seen] = []

    def fly(self, most_s: float, most: float) -> Pilot:
        planned = self._setting.expected_iterations
        experiment = self._experiment
        with closing(experiment.evaluations), closing(Appender(self._directory.iterations)) as log:
            experiment.warm_up()
            before = size_of(self._directory.path)
            started = time.monotonic()
            experiment.until = started + most_s
            while len(self._seen) < min(most, planned) and not self._is_spent():
                if len(self._seen) >= _FEWEST and time.monotonic() > experiment.until:
                    break
                self._iterate(log)
            seconds = time.monotonic() - started + experiment.saved_s
            done = max(len(self._seen), 1)
            bytes_each = (size_of(self._directory.path) - before) / done
            growth = self._growth(planned)
        if self._is_spent():
            planned = done
        roles = {role: self._role(role, growth.get(role, 0.0)) for role in self._roles()}
        return Pilot(done, planned, roles, seconds / done, before, bytes_each, self._name)

    def _is_spent(self) -> bool:
        is_spent = self._setting.method.is_spent
        return is_spent is not None and is_spent(dict(self._setting.config), self._experiment.records)

    def _iterate(self, log: Appender) -> None:
        self._client.seen = _Seen()
        record = self._experiment.iterate(len(self._seen) + 1)
        log.append(record)
        self._experiment.remember(record)
        self._seen.append(self._client.seen)

    def _roles(self) -> list[str]:
        return list(dict.fromkeys(role for seen in self._seen for role in seen.prompts))

    def _role(self, role: str, growth: float) -> RolePilot:
        prompts = [seen.prompts.get(role, []) for seen in self._seen]
        replies = [text for seen in self._seen for text in seen.replies.get(role, [])]
        shares = [question.stable_share for each in prompts for question in each]
        return RolePilot(
            tuple(map(len, prompts)),
            tuple(map(_tokens_of, prompts)),
            growth,
            _mean([_tokens(text) for text in replies]),
            _mean(shares),
        )

    def _growth(self, planned: int) -> dict[str, float]:
        """Return by how many tokens a prompt of each role grows with each iteration after the pilot."""
        further = max(planned - len(self._seen) - 1, 1)
        if len(self._seen) >= planned or not self._setting.method.asks_model or not self._experiment.rolled_out:
            return {}
        near, far = self._prompts_after(0), self._prompts_after(further)
        return {role: max(far[role] - near[role], 0.0) / further for role in near if role in far}

    def _prompts_after(self, further: int) -> dict[str, float]:
        """Return the tokens of a prompt of each role after so many further iterations like the latest of the pilot."""
        experiment, setting = self._experiment, self._setting
        done = len(self._seen)
        latest = (done + 1) // 2  # the first programs are shorter than later ones
        trials = list(islice(cycle(experiment.history[-latest:]), further))
        records = list(islice(cycle(experiment.records[-latest:]), further))
        later: list[IterationRecord] = [
            {**record, "iteration": done + number} for number, record in enumerate(records, 1)
        ]
        rollouts = experiment.rolled_out
        seen = self._client.seen = _Seen()

        def remembered(_solution: Solution, number: int) -> Rollouts:
            return rollouts[number % len(rollouts)]

        setting.method.iterate(
            Step(
                brief=setting.brief,
                history=[*experiment.history, *trials],
                iteration=done + further + 1,
                asker=self._client,
                roll_out=remembered,
                clip=setting.clips_solutions,
                seed=setting.seed,
                records=[*experiment.records, *later],
                max_concurrent_calls=setting.config.max_concurrent_calls,
                config={**dict(setting.config), "tune_evaluations": 0},  # tuning takes time, and asks nothing
            )
        )
        return {role: _tokens_of(questions) / len(questions) for role, questions in seen.prompts.items()}


def _tokens_of(questions: Sequence[Question]) -> float:
    """Return the tokens of the prompts of several questions; equal ones are read once."""
    known: dict[str, float] = {}
    for question in questions:
        if question.prompt not in known:
            known[question.prompt] = _tokens(question.prompt)
    return math.fsum(known[question.prompt] for question in questions)


def _tokens(text: str) -> float:
    return usual_tokens(features_of(text))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
