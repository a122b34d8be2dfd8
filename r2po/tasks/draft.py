"""The draft of a task card: what an environment tells of itself, and TODO for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
import yaml
from gymnasium import spaces as gym_spaces

from r2po.envs import making
from r2po.envs.flattened import flattened, is_flattenable, part_names
from r2po.tasks import TASKS
from r2po.tasks.bare import WARMUP_EPISODES, default_policy, slug, step_size
from r2po.tasks.docstring import section_like, table_names
from r2po.tasks.spaces import Spaces, make_environment, spaces_of
from r2po.tasks.task import TODO, Dimension, Task

UNBOUNDED = 1e30
"""Bounds of float32 stand for none."""
MARGIN = 0.05
"""How far below the target tau_c is drafted."""
MOST_LINES, WIDEST = 40, 118
"""Of a section that is quoted."""

Says = Mapping[str, str]
"""Sections of the docstring by entry of the card."""


@dataclass(frozen=True)
class Draft:
    """A card with TODO where nothing is known.

    Attributes:
        card: The card.
        spaces: The environment's spaces, as policies see them.
        says: What the docstring says, by the entry that it is about; to be quoted, not told.
    """

    card: Task
    spaces: Spaces
    says: Says


def draft(gym_id: str, env_kwargs: Mapping[str, Any]) -> Draft:
    """Draft the card of a registered environment.

    Raises:
        InputError: It cannot be made, or no policy family can take its spaces.
    """
    with closing(make_environment(gym_id, env_kwargs)) as environment:
        docstring = environment.unwrapped.__doc__
        seen, action = environment.observation_space, environment.action_space
        flatten = _must_flatten(seen, action)
        spaces = spaces_of(environment, flatten=flatten)
        parts = part_names(seen) if flatten else []
        if flatten:
            seen = flattened(environment).observation_space
    threshold = making.spec(gym_id).reward_threshold
    optimum = None if threshold is None else float(threshold)
    card = Task(
        name=_name(gym_id),
        label=_label(gym_id),
        gym_id=gym_id,
        policy=default_policy(spaces),
        max_traj_length=spaces.episode_limit,
        optimum=optimum,
        warmup_episodes=WARMUP_EPISODES,
        conservative_threshold=None if optimum is None else float(f"{optimum - MARGIN * abs(optimum):.6g}"),
        search_step_size=step_size(spaces),
        summary=f"{TODO}: what the task is, in a few sentences",
        observation=_observation(seen, docstring, parts),
        actions=_actions(action, docstring),
        reward=f"{TODO}: how reward is given",
        ending=f"{TODO}: when an episode ends, the environment's own limit included",
        env_kwargs=dict(env_kwargs),
        flatten=flatten,
    )
    return Draft(card, spaces, _said(docstring))


def _label(gym_id: str) -> str:
    """Return a Gymnasium id without its module, its namespace and its version."""
    name = gym_id.rpartition(":")[2].rpartition("/")[2]
    return name.rpartition("-v")[0] or name


def _name(gym_id: str) -> str:
    """Return a short name that is not that of another environment's card."""
    short = slug(gym_id, versioned=False)
    return short if short not in TASKS or TASKS[short].gym_id == gym_id else slug(gym_id)


def _must_flatten(seen: gymnasium.Space[Any], action: gymnasium.Space[Any]) -> bool:
    """Whether policies can take observations only as one vector."""
    if isinstance(seen, gym_spaces.Discrete):
        return seen.start != 0 or not isinstance(action, gym_spaces.Discrete)
    return not (isinstance(seen, gym_spaces.Box) and len(seen.shape) == 1) and is_flattenable(seen)


def _observation(
    seen: gymnasium.Space[Any], docstring: str | None, parts: Sequence[str]
) -> tuple[Dimension, ...] | str:
    if not isinstance(seen, gym_spaces.Box):
        return f"{TODO}: what the number of a state means"
    names = _named(docstring, "observation", seen.shape[0], parts)
    return tuple(map(Dimension, names, _ranges(seen)))


def _actions(action: gymnasium.Space[Any], docstring: str | None) -> tuple[str, ...] | tuple[Dimension, ...]:
    if isinstance(action, gym_spaces.Discrete):
        first = int(action.start)
        return tuple(_named(docstring, "action", int(action.n), [str(first + at) for at in range(int(action.n))]))
    assert isinstance(action, gym_spaces.Box)
    return tuple(map(Dimension, _named(docstring, "action", action.shape[0], ()), _ranges(action)))


def _named(docstring: str | None, kind: str, count: int, parts: Sequence[str]) -> list[str]:
    """Return the names in the docstring's table, if it has as many rows as there are numbers; else placeholders."""
    names = table_names(section_like(docstring, kind))
    if len(names) == count and all(names):
        return names
    return [f"{TODO}: {kind} {part}" for part in (parts or map(str, range(count)))]


def _ranges(box: gym_spaces.Box) -> Iterator[str]:
    for low, high in zip(box.low.astype(np.float64).flat, box.high.astype(np.float64).flat, strict=True):
        below, above = low <= -UNBOUNDED, high >= UNBOUNDED
        if below or above:
            yield "unbounded" if below and above else f"at most {high:.6g}" if below else f"at least {low:.6g}"
        else:
            yield f"{low:.6g} to {high:.6g}"


def _said(docstring: str | None) -> Says:
    found = {
        "summary": section_like(docstring, "description"),
        "reward": section_like(docstring, "reward"),
        "ending": section_like(docstring, "episode", "termination"),
    }
    return {entry: text for entry, text in found.items() if text.strip()}


def as_yaml(drafted: Draft) -> str:
    """Write a draft as a file: what the docstring says stands above the entries that it is about, as comments."""
    card, spaces = drafted.card, drafted.spaces
    notes = {
        "max_traj_length": "the environment's own limit" if card.max_traj_length else "it has no limit of its own",
        "optimum": "Gymnasium's threshold" if card.optimum is not None else "the return to aim at",
        "conservative_threshold": "from this mean reward on, the critic of R2PO is told to change little",
        "search_step_size": "" if spaces.discrete_observation else "the step that prompts recommend",
    }
    lines = [
        f"# Drafted by r2po new-task. Replace each {TODO} by facts, in words of your own: prompts tell them.",
        "# Delete the comments that quote the docstring once they are used.",
    ]
    for entry, value in card.record().items():
        lines += _quoted(drafted.says.get(entry, ""))
        lines.append(_entry(entry, value, notes.get(entry, "")))
    return "\n".join(lines) + "\n"


def _entry(entry: str, value: Any, note: str) -> str:
    if isinstance(value, list):
        return "\n".join([f"{entry}:", *(f"  - {_flow(each)}" for each in value)])
    written = TODO if value is None and entry != "search_step_size" else _flow(value)
    return f"{entry}: {written}{f'  # {note}' if note else ''}"


def _flow(value: Any) -> str:
    """Write a value in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf, sort_keys=False)
    return str(text).removesuffix("...\n").strip()


def _quoted(text: str) -> list[str]:
    """Return lines of comments, with what no YAML file may hold left out."""
    if not text:
        return []
    lines = ["".join(each for each in line if each.isprintable())[:WIDEST].rstrip() for line in text.splitlines()]
    more = ["..."] if len(lines) > MOST_LINES else []
    return ["# The docstring says:", *(f"#   {line}".rstrip() for line in [*lines[:MOST_LINES], *more])]


def finished(drafted: Draft, **entries: Any) -> Draft:
    """Return a draft with some entries of its card settled."""
    return replace(drafted, card=replace(drafted.card, **entries))
