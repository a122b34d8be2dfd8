"""``episode_K`` of the published code: what was tried in iteration K + 1, as far as its files tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from r2po.analysis.logs.iteration_data import CandidateData, IterationData
from r2po.analysis.logs.run_data import Floats
from r2po.runlog.records import LARGEST

_OUTCOMES = ("reflection_outcome.txt", "selection_outcome.txt", "critic_only_outcome.txt")
_REWARD = re.compile(rb"^Total reward:[ \t]*(\S+)[ \t]*\r?\n", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ENTRY = re.compile(rf"(\d+)\s*:\s*(?:np\.\w+\()?({_NUMBER.pattern})")
_ASSIGNMENT = re.compile(rf"params\[\s*(\d+)\s*\]\W*?[:=]\W*?({_NUMBER.pattern})")
_SECTION = re.compile(r"^--- .+ ---[ \t]*$", re.MULTILINE)
_REPLY = re.compile(r"^(?:LLM|Critic-LLM response):[ \t]*$", re.MULTILINE)

REVISION_IS_WRITTEN = frozenset({"reptraj", "three_traj"})
"""Methods whose ``parameters.txt`` holds the last candidate even where another one was accepted."""


TWO_CANDIDATES = frozenset({"r2po", "reptraj", "three_traj", "always_critic", "pure_search", "actor_second_pass"})


@dataclass(frozen=True)
class _Source:
    """Where a candidate stands: the key of its reward in the outcome file, and the file of its rollouts."""

    stage: str
    reward_key: str
    rollouts: str


_ONE = (_Source("proposal", "reward", "training_rollout.txt"),)
_REVISED = (
    _Source("proposal", "initial_reward", "initial_proposal_rollout.txt"),
    _Source("revision", "revised_reward", "revised_proposal_rollout.txt"),
)
_SELECTED = (
    _Source("proposal_a", "proposal_a_reward", "proposal_a_rollout.txt"),
    _Source("proposal_b", "proposal_b_reward", "proposal_b_rollout.txt"),
)
_WINNERS: Mapping[str, int] = {
    "original_won": 0,
    "revision_won": 1,
    "revision_forced": 1,
    "proposal_a": 0,
    "proposal_b": 1,
}


@dataclass(frozen=True)
class Turn:
    """A question to the model and its reply, as ``parameters_reasoning.txt`` holds them."""

    prompt: str
    reply: str


def read_iteration(episode: Path, number: int, reward: float, method: str) -> IterationData:
    """Read what was tried in an iteration; what is missing or damaged is None.

    Where the files do not tell both candidates of an iteration, only the accepted one is returned, with its ``reward``
    in the overall log. The folder need not exist.
    """
    outcome = _read_outcome(episode)
    sources, accepted = _sources(outcome)
    problem = f"{episode.name} does not hold all candidates"
    if sources is _ONE and method in TWO_CANDIDATES:
        # Which of two its other files are about is not known.
        return IterationData(number, 0, (CandidateData("accepted", reward, None, None),), problem)
    rewards = [reward] if len(sources) == 1 else [_finite(outcome.get(source.reward_key, "")) for source in sources]
    rollouts = [_read_rollouts(episode / source.rollouts) for source in sources]
    params = _all_params(episode, [each[0] for each in rollouts], accepted, method)
    candidates = [
        CandidateData(source.stage, reward if value is None else value, flat, returns)
        for source, value, flat, (_, returns) in zip(sources, rewards, params, rollouts, strict=True)
    ]
    if None in rewards:
        return IterationData(number, 0, (replace(candidates[accepted], reward=reward),), problem)
    return IterationData(number, accepted, tuple(candidates))


def read_turns(episode: Path) -> tuple[Turn, ...]:
    """Read the questions and replies of an iteration, in the order in which they were asked; none if there are none."""
    text = _read_text(episode / "parameters_reasoning.txt")
    starts = [match.start() for match in _SECTION.finditer(text)] or [0]
    sections = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    turns = []
    for section in sections:
        markers = list(_REPLY.finditer(section))
        if markers:
            # Of several attempts the last one is the one that was used.
            marker = markers[-1]
            turns.append(Turn(section[: marker.start()].strip(), section[marker.end() :].strip()))
    return tuple(turns)


def _sources(outcome: Mapping[str, str]) -> tuple[tuple[_Source, ...], int]:
    winner = _WINNERS.get(outcome.get("winner", ""), -1)
    if winner < 0:
        return _ONE, 0
    return (_SELECTED if outcome["winner"].startswith("proposal") else _REVISED), winner


def _read_outcome(episode: Path) -> dict[str, str]:
    """Return the ``key=value`` lines; a last line without an end is left out, since the value may be cut off."""
    text = next(filter(None, (_read_text(episode / name) for name in _OUTCOMES)), "")
    lines = [line.partition("=") for line in text.split("\n")[:-1]]
    return {key.strip(): value.strip() for key, separator, value in lines if separator}


def _read_rollouts(path: Path) -> tuple[Floats | None, Floats | None]:
    """Read the flat parameters, if the file begins with them, and the return of each complete rollout."""
    try:
        data = path.read_bytes()
    except OSError:
        return None, None
    values = [_finite(match.decode("ascii", "replace")) for match in _REWARD.findall(data)]
    returns = np.array(values, dtype=np.float64) if values and None not in values else None
    first, _, rest = data.partition(b"\n")
    has_parameters = rest.startswith(b"parameter ends")
    return _floats(first.decode("ascii", "replace").split(",")) if has_parameters else None, returns


def _all_params(episode: Path, known: Sequence[Floats | None], accepted: int, method: str) -> list[Floats | None]:
    """Return the parameters of each candidate: from its rollouts, else from its reply, else from what was written.

    Rollouts of tables come without parameters. ``parameters.txt`` holds the accepted candidate, or the last.
    """
    if all(params is not None for params in known):
        return list(known)
    written = _read_parameters(episode / "parameters.txt")
    if written is None:
        return list(known)
    written_one = len(known) - 1 if method in REVISION_IS_WRITTEN else accepted
    turns = read_turns(episode)
    replies = [turn.reply for turn in turns] if len(turns) == len(known) else [""] * len(known)
    return [
        written if index == written_one else params if params is not None else _params_in(reply, len(written))
        for index, (params, reply) in enumerate(zip(known, replies, strict=True))
    ]


def _read_parameters(path: Path) -> Floats | None:
    """Read a table (``{0: np.float64(3.0), ...}``), or weights and bias, row by row."""
    text = _read_text(path)
    if not text.startswith("{"):
        return _floats(_NUMBER.findall(text))
    entries = {int(state): action for state, action in _ENTRY.findall(text)}
    is_whole = text.rstrip().endswith("}") and sorted(entries) == list(range(len(entries)))
    return _floats([entries[state] for state in sorted(entries)]) if is_whole else None


def _params_in(reply: str, size: int) -> Floats | None:
    """Return the first assignments of a reply to params[0], params[1], ... up to the last parameter."""
    values: list[str] = []
    for index, value in _ASSIGNMENT.findall(reply):
        if int(index) != len(values):
            values = []
        if int(index) == len(values):
            values.append(value)
        if len(values) == size:
            return _floats(values)
    return None


def _floats(texts: Sequence[str]) -> Floats | None:
    values = [_finite(text) for text in texts]
    return np.array(values, dtype=np.float64) if values and None not in values else None


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
