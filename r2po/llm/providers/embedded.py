"""The embedded stand-in ``embedded/search``: no language model, but a deterministic numerical proposer.

It reads nothing but the prompt text it is given, as a model would, and answers in the requested format, search and
critic alike. So the whole pipeline runs without key or network. Its results say nothing about any language model.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.llm.types import AttemptFailed, Provider, Reply, Request
from r2po.llm.usage import Usage

NAME = "embedded/search"

_NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_TRIAL = re.compile(rf"^(?:[A-Z][a-z -]* \d+: )?(params.*?); (?:f\(params\)|[a-z ]*reward): {_NUMBER}$", re.MULTILINE)
_COMPACT_TRIAL = re.compile(rf"^(?:Trial \d+(?: \(warm-up\))?: )?f = {_NUMBER}; (\[[^]]*\])", re.MULTILINE)
_VALUE = re.compile(rf"(?:params\[\d+\]: |[\[ ,]){_NUMBER}(?=[,\]]|$)")
_PROPOSAL = re.compile(rf"^Proposed parameters: (.*)\n.*?Mean return: {_NUMBER}$", re.MULTILINE)
_ELITES = 5

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Reading:
    """What the prompt says."""

    size: int
    choices: tuple[int, ...]
    low: float
    high: float
    decimals: int
    step: float
    content: float
    """The value from which the prompt asks for no or small changes."""
    trials: list[tuple[Vector, float]]
    proposal: tuple[Vector, float] | None


class EmbeddedSearch(Provider):
    """Mutates, crosses and sometimes redraws the points that the prompt's history shows to be good."""

    is_stand_in = True

    def complete(self, request: Request) -> Reply:
        """Answer a prompt; the same request always gets the same answer."""
        reading = _read(request.prompt)
        text = f"{request.sample}/{request.attempt}/{request.prompt}"
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
        params, reasoning = _revise(reading, rng) if reading.proposal else _search(reading, rng)
        values = [_write(value, reading) for value in params]
        if '{"params": [v, v, ...]' in request.prompt:
            answer = f'{{"params": [{", ".join(values)}], "reasoning": {json.dumps(reasoning)}}}'
        else:
            answer = ", ".join(f"params[{index}]: {value}" for index, value in enumerate(values)) + f"\n{reasoning}"
        return Reply(answer, usage=Usage(prompt_tokens=None, completion_tokens=None))


def _search(reading: _Reading, rng: np.random.Generator) -> tuple[Vector, str]:
    ranked = _ranked(reading.trials)
    if _all_alike(ranked):
        return _draw(reading, rng), "No trial is better than another yet: a new random point."
    if rng.random() < 0.1:
        return _draw(reading, rng), "A new random point, to leave the region of the best trials."
    if len(ranked) > 1 and rng.random() < 0.25:
        elites = ranked[:_ELITES]
        one, other = (elites[index][0] for index in rng.choice(len(elites), 2, replace=False))
        crossed = np.where(rng.random(reading.size) < 0.5, one, other)
        return _mutate(crossed, reading, rng), "A cross of two of the best trials, with a small change."
    return _mutate(_parent(ranked, rng), reading, rng), "One of the best trials, with a change of a few parameters."


def _revise(reading: _Reading, rng: np.random.Generator) -> tuple[Vector, str]:
    assert reading.proposal is not None
    ranked = _ranked([*reading.trials, reading.proposal])
    best, reward = ranked[0]
    if reward >= reading.content:
        return best, "The best policy so far is good enough: it stays as it is."
    if _all_alike(ranked):
        return _draw(reading, rng), "Nothing has made a difference yet: a new random point."
    if rng.random() < 0.2:
        return best, "The best policy so far once more: its result may have been luck."
    return _mutate(_parent(ranked, rng), reading, rng), "One of the best policies, with a change of a few parameters."


def _all_alike(ranked: list[tuple[Vector, float]]) -> bool:
    return not ranked or ranked[0][1] == ranked[-1][1]


def _parent(ranked: list[tuple[Vector, float]], rng: np.random.Generator) -> Vector:
    """Return the best point, or, with falling probability, one of those after it: rewards are noisy."""
    return ranked[min(int(rng.geometric(0.6)) - 1, len(ranked) - 1)][0]


def _ranked(trials: list[tuple[Vector, float]]) -> list[tuple[Vector, float]]:
    """Return the distinct points with the mean of their rewards, best first."""
    rewards: dict[tuple[float, ...], list[float]] = {}
    for params, reward in trials:
        rewards.setdefault(tuple(params), []).append(reward)
    points = [(np.array(params), float(np.mean(values))) for params, values in rewards.items()]
    return sorted(points, key=lambda point: -point[1])


def _draw(reading: _Reading, rng: np.random.Generator) -> Vector:
    """A random point, often on some of the axes: many good linear policies ignore part of the state."""
    if reading.choices:
        return rng.choice(reading.choices, reading.size).astype(np.float64)
    point = rng.uniform(reading.low, reading.high, reading.size)
    return _on_grid(np.where(rng.random(reading.size) < rng.choice([0.0, 0.5, 0.75]), 0.0, point), reading)


def _mutate(params: Vector, reading: _Reading, rng: np.random.Generator) -> Vector:
    changed = rng.random(reading.size) < rng.choice([1.5, 3.0, 6.0]) / reading.size
    changed[rng.integers(reading.size)] = True
    if reading.choices:
        return np.where(changed, rng.choice(reading.choices, reading.size), params)
    # Steps from half of what the prompt recommends up to a quarter of the range, on a logarithmic scale.
    scale = np.exp(rng.uniform(np.log(reading.step / 2), np.log((reading.high - reading.low) / 4)))
    return _on_grid(np.where(changed, params + rng.normal(0.0, scale, reading.size), params), reading)


def _on_grid(params: Vector, reading: _Reading) -> Vector:
    rounded: NDArray[Any] = np.round(np.clip(params, reading.low, reading.high), reading.decimals) + 0.0
    return rounded


def _write(value: float, reading: _Reading) -> str:
    return str(int(value)) if reading.choices else f"{value:.{reading.decimals}f}"


def _read(prompt: str) -> _Reading:
    size = _find(r"holds all (\d+) parameters", prompt)
    if size is None:
        raise AttemptFailed(
            f"{NAME} cannot read this prompt: it does not say how many parameters to give", retryable=False
        )
    choices = re.search(r"one of the integers ([\d, ]+)\.", prompt)
    interval = re.search(rf"a real number from {_NUMBER} to {_NUMBER}(?: with (\d+) decimal|\.)", prompt)
    low, high = (float(interval[1]), float(interval[2])) if interval else (-6.0, 6.0)
    proposal = _PROPOSAL.search(prompt)
    target = _find(rf"(?:optimum of f is|optimal return is|a mean return) around {_NUMBER}", prompt)
    threshold = _find(rf"if the mean return is {_NUMBER} or more", prompt)
    return _Reading(
        size=int(size),
        choices=tuple(map(int, choices[1].split(","))) if choices else (),
        low=low,
        high=high,
        decimals=int(interval[3] or 1) if interval else 1,
        step=_find(rf"(?:step size of(?: about)?|change a parameter by) {_NUMBER}", prompt) or 1.0,
        content=min(value for value in (target, threshold, np.inf) if value is not None),
        trials=[
            *((_vector(match[1]), float(match[2])) for match in _TRIAL.finditer(prompt)),
            *((_vector(match[2]), float(match[1])) for match in _COMPACT_TRIAL.finditer(prompt)),
        ],
        proposal=(_vector(proposal[1]), float(proposal[2])) if proposal else None,
    )


def _find(pattern: str, prompt: str) -> float | None:
    match = re.search(pattern, prompt)
    return float(match[1]) if match else None


def _vector(text: str) -> Vector:
    return np.array([float(value) for value in _VALUE.findall(text)])
