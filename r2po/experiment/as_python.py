"""The best policy of a run as a file of Python that needs NumPy only, with a heading that says where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from r2po.analysis.logs.run_data import STAND_IN
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.policies.standalone import standalone
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.runlog.records import Description
from r2po.tasks import Dimension


def as_python(directory: RunDirectory, setting: Setting, best: Mapping[str, Any]) -> bytes:
    """Return the content of a file for a policy that is numbers.

    Args:
        directory: The run.
        setting: Its setting.
        best: Reward, iteration and record of the policy.

    Raises:
        InputError: Its family has no way to write it.
    """
    text = standalone(setting.bind(setting.policy.load(best["solution"])))
    if text is None:
        raise InputError(
            f"policies of the family {setting.policy.name!r} cannot be written as Python: they are neither tables nor "
            "networks, and have no as_python(); a file that ends in .json takes their numbers"
        )
    lines = [" ".join(line.split()) for line in _heading(directory, setting, best)]
    heading = "\n".join(f"# {line}".rstrip() for line in [*lines, "", *_use(setting)])
    return f"{heading}\n\n{text}\n".encode("utf-8", "backslashreplace")


def _heading(directory: RunDirectory, setting: Setting, best: Mapping[str, Any]) -> Iterator[str]:
    run = f"{directory.path.parent.name}/{directory.path.name}"
    log = directory.read_description()
    yield (
        f"Best policy of {run} on {setting.brief.task.gym_id}: iteration {best['iteration']}, mean return "
        f"{number(best['reward'])} over {setting.config.num_evaluation_episodes} episodes."
    )
    if directory.is_complete:
        result = directory.read_result()
        if result["heldout_reward"] is not None and result.get("best_iteration") == best["iteration"]:
            std = result["heldout_std"]
            spread = "" if std is None else f", sample standard deviation {number(std)}"
            episodes = result["heldout_episodes"]
            yield f"On {episodes} fresh episodes: mean return {number(result['heldout_reward'])}{spread}."
    yield (
        f"Policy {setting.policy.name!r}, found by {setting.method.label}{_models(log)}, seed {setting.seed}; "
        f"r2po {(log.get('versions') or {}).get('r2po', 'of an unknown version')}."
    )


def _models(log: Description) -> str:
    """Name the models that were asked; nothing for a method that asks none."""
    if log["config"].get("llm_model_name") is None:
        return ""
    critic = f" (critic: {log['critic_model']})" if log.get("critic_model") else ""
    mark = f" [{STAND_IN}]" if log["stand_in"] else ""
    return f" with the model {log['model']}{critic}{mark}"


def _use(setting: Setting) -> Iterator[str]:
    """Say how the policy is used, and what its numbers mean."""
    yield from (
        "It needs NumPy only. If this file is best_policy.py:",
        *("", "    from best_policy import Policy", "", "    policy = Policy()"),
        *("    action = policy.act(observation)", ""),
    )
    description, parts = setting.brief.description, setting.brief.spaces.parts
    if parts:
        yield (
            "The observation is the environment's as one vector, as gymnasium.spaces.flatten(env.observation_space, "
            "observation) makes it:"
        )
    if isinstance(description.observation, str):
        yield " ".join(f"observation: {description.observation}".split())
    else:
        yield from _dimensions("observation", description.observation, parts)
    if setting.brief.spaces.discrete_action:
        first = setting.brief.spaces.first_action
        yield from (f"action {first + i}: {' '.join(str(each).split())}" for i, each in enumerate(description.actions))
        return
    yield from _dimensions("action", description.actions)
    low, high = setting.brief.spaces.action_low, setting.brief.spaces.action_high
    if setting.config.clip_actions:
        yield f"Actions are moved into the environment's bounds: {list(low)} to {list(high)}."


def _dimensions(what: str, names: tuple[Any, ...], parts: tuple[str, ...] = ()) -> Iterator[str]:
    """Name each number; of a flattened observation, also what it is in the environment's own."""
    for index, each in enumerate(names):
        name = " ".join((each.name if isinstance(each, Dimension) else str(each)).split())
        part = parts[index] if index < len(parts) else name  # hidden ones, which follow, are no parts
        yield f"{what}[{index}]: {name}{'' if part == name else f' ({part})'}"
