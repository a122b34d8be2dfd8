"""A made-up family of policies that are texts, with a memory in each episode; and a model that writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.config import Config
from r2po.errors import InputError, UnusableReply
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.registry import PROVIDERS, ProviderKind
from r2po.llm.types import Provider, Reply, Request
from r2po.policies import FAMILIES, Policy, PolicyConfig, Program, ProgramFamily, Session
from r2po.policies.base import DEFAULTS, NoSettings
from r2po.policies.reply import read_text
from r2po.runlog.records import Result
from r2po.tasks.spaces import Spaces
from tests.builders import make_config, register

MOVES = ("left", "right")


class Moves(ProgramFamily):
    """Policies such as ``left right right``: moves that every episode makes one after the other, over and over."""

    name = "moves"
    begun: ClassVar[list[tuple[str, int]]] = []
    """Source and seed of every episode that was begun."""
    open_sessions: ClassVar[list[_Moving]] = []

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        config.read(NoSettings)
        if not spaces.discrete_action or spaces.action_size != len(MOVES):
            raise InputError(f"policy {self.name!r} needs {len(MOVES)} actions")

    def sample(self, rng: np.random.Generator) -> Program:
        return Program(" ".join(rng.choice(MOVES, 3)))

    def bind(self, program: Program, /) -> Policy:
        return _Moves(program.source)

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        return (
            f"The policy is a line of moves, each {' or '.join(MOVES)}, which are made one after the other, repeatedly."
        )

    def reply_format(self, _account: str, /, *, structured: bool) -> str:
        return f"The first line of your reply is the line of moves and nothing else.{' No JSON.' if structured else ''}"

    def read(self, text: str, /) -> Program:
        line = read_text(text).split("\n")[0]
        wrong = [word for word in line.split() if word not in MOVES]
        if wrong:
            raise UnusableReply(f"{wrong[0]!r} is no move")
        return Program(line)


class _Moves(Policy):
    replayable = False

    def __init__(self, source: str) -> None:
        self.source = source

    def begin(self, seeds: Sequence[int], /) -> Session:
        Moves.begun.extend((self.source, seed) for seed in seeds)
        session = _Moving(self.source.split(), len(seeds))
        Moves.open_sessions.append(session)
        return session


class _Moving(Session):
    def __init__(self, moves: Sequence[str], episodes: int) -> None:
        self._moves = moves
        self._made = [0] * episodes

    def __call__(self, slots: Sequence[int], observations: NDArray[Any], /) -> NDArray[Any]:
        assert len(slots) == len(observations)
        actions = [MOVES.index(self._moves[self._made[slot] % len(self._moves)]) for slot in slots]
        for slot in slots:
            self._made[slot] += 1
        return np.array(actions)

    def close(self) -> None:
        Moves.open_sessions.remove(self)


class Killed(BaseException):
    """Ends a run as a kill would, as far as one process can tell."""


class Writer(Provider):
    """Writes moves that the prompt alone decides on; every third first attempt is of no use.

    Attributes:
        killed_at: Number of the request during which the process ends; 0 for none.
        requests: What it was asked, in order.
    """

    is_stand_in = True

    def __init__(self, killed_at: int = 0) -> None:
        self.killed_at = killed_at
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        if len(self.requests) == self.killed_at:
            raise Killed
        digest = hashlib.sha256(f"{request.sample} {request.prompt}".encode()).digest()
        if request.attempt == 1 and digest[0] % 3 == 0:
            return Reply("up and away")
        return Reply("<think>Hm.</think>" + " ".join(MOVES[byte % 2] for byte in digest[1 : 2 + digest[1] % 6]))


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the family."""
    monkeypatch.setattr(FAMILIES, "_items", {**FAMILIES, Moves.name: Moves})
    monkeypatch.setattr(Moves, "begun", [])
    monkeypatch.setattr(Moves, "open_sessions", [])


def make_text_config(method: str, logdir: Path, **values: Any) -> Config:
    """Return the config of a short run of this family on CartPole."""
    small = {"num_iterations": 4, "warmup_episodes": 2, "num_evaluation_episodes": 3, "heldout_episodes": 2}
    model = {"llm_model_name": "writer/text", "logdir": str(logdir), "policy": "moves", "seed": 1}
    return make_config("cartpole", method, **{**model, **small, **values})


def run_texts(config: Config, writer: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Result:
    """Run or resume an experiment with this model, and return its result."""
    kind = ProviderKind("writer", "", "", lambda name: name.startswith("writer/"), lambda _name, _settings: writer)
    with monkeypatch.context() as patch:
        register(PROVIDERS, kind, patch)
        return launch(config, options.pop("resume", None), {}, Observer(), **options)
