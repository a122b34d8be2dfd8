"""Why a difference from a published figure is to be expected: true reasons only, read from the runs' own logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from r2po.config import Config, load_config
from r2po.config.config import differences
from r2po.errors import InputError
from r2po.reproduce.compared import Compared
from r2po.reproduce.context import Context
from r2po.reproduce.model_reasons import of_model
from r2po.reproduce.results import METRICS
from r2po.reproduce.suite_reasons import of_settings, of_suite
from r2po.reproduce.version_reasons import of_simulator
from r2po.runlog.facts import NO_MODEL
from r2po.tasks import TASKS

PAPER_RUNS = 10
_OTHERWISE_TOLD = frozenset({"llm_model_name", "critic_llm_model_name", "critic", "protocol", "logdir", "seed"})
"""Keys about which there is a reason of their own, or none."""
_READ_BY_LINE = ("props", "propsp")
_PAPER_OF_CODE = "r2po"
"""The paper whose code the documented deviations are from."""


def reasons_of(cell: Compared, context: Context) -> list[str]:
    """Return the reasons of a cell, a sentence each; none where there is nothing to compare."""
    if cell.ours is None or cell.published is None:
        return []
    found = [text for reason in _REASONS for text in reason(cell, context)]
    return list(dict.fromkeys([*found, *context.part.remarks(cell)]))


def _prompts(cell: Compared, context: Context) -> Iterator[str]:
    asking = [run for run in cell.runs if run.model != NO_MODEL]
    if not asking or all(run.origin == "published" for run in asking):
        return
    yield (
        "The prompts are those of this package: the same facts in other words and in another order, with errors set "
        "right (the deviations in the documentation of methods)."
    )
    for differing in dict.fromkeys(run.prompts for run in asking if run.prompts):
        yield f"Prompts differ from this package's usual ones too: {differing}."
    by_line = context.part.paper == _PAPER_OF_CODE and cell.method in _READ_BY_LINE
    if by_line and any(run.task["policy"] == "linear" for run in asking):
        yield (
            "Linear ProPS and ProPS+ read only the first line of a reply in the paper's code; here the whole reply is "
            "read, and an unusable one is asked for again."
        )


def _number(cell: Compared, _: Context) -> Iterator[str]:
    runs = len(cell.runs)
    if 0 < runs < PAPER_RUNS:
        yield f"Ours rests on {runs} run{'' if runs == 1 else 's'}, the published figure on {PAPER_RUNS}."
    raw = [run for run in cell.runs if not run.complete]
    if raw:
        far = ", ".join(f"{run.name}: {run.progress}" for run in raw[:3])
        more = f", and {len(raw) - 3} more" if len(raw) > 3 else ""
        yield f"{len(raw)} of {runs} runs did not reach their end, and count as far as they came ({far}{more})."


def _spread(cell: Compared, _: Context) -> Iterator[str]:
    assert cell.ours is not None
    assert cell.published is not None
    if cell.published.std == 0 and cell.ours.std:
        yield (
            "The published spread is 0.00 as printed, so the error of the difference is that of our runs and of "
            "rounding alone."
        )
    if cell.group == METRICS["best_reward"] and _is_noisy(cell):
        yield "Best rewards are maxima over noisy means, in ours and in the published figure: luck is part of both."


def _is_noisy(cell: Compared) -> bool:
    """Whether means of rollouts are noisy: starts differ by seed, or else rollouts of a policy are seen to differ."""
    task = TASKS.get(cell.environment)
    if task is not None and not task.fixed_start:
        return True
    return any(bool(np.ptp(each)) for run in cell.runs for each in run.returns if each is not None and each.size)


def _protocol(cell: Compared, _: Context) -> Iterator[str]:
    for protocol in dict.fromkeys(run.protocol for run in cell.runs):
        if protocol == "controlled":
            yield "Ours ran under the protocol controlled, whose settings are not the published ones."


def _settings(cell: Compared, context: Context) -> Iterator[str]:
    """Name each setting that differs from the config which stands for the published experiment."""
    for run in cell.runs:
        source = context.by_logdir.get(run.path.resolve().parent.name)
        if source is None or run.method == "sb3" or not run.config:
            continue
        published = _published_config(context.configs / source)
        if published is None:
            continue
        keys = [key for key in differences(published, run.config) if key.partition(".")[0] not in _OTHERWISE_TOLD]
        if keys:
            told = ", ".join(f"{key} {_value(published, key)} there, {_value(run.config, key)} here" for key in keys)
            yield f"Settings that change a result differ from the published ones: {told}."


@cache
def _published_config(path: Path) -> Mapping[str, Any] | None:
    try:
        config: Config = load_config(path)
    except InputError:
        return None
    return config.model_dump(mode="json")


def _value(config: Mapping[str, Any], key: str) -> str:
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    text = "none" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _repeated(cell: Compared, _: Context) -> Iterator[str]:
    if any(run.replay_of for run in cell.runs):
        yield "Some of our runs are replays: they repeat a recorded sample, and are no other one."


_REASONS: Sequence[Callable[[Compared, Context], Iterator[str]]] = (
    of_model,
    _number,
    _settings,
    of_settings,
    _protocol,
    _prompts,
    of_simulator,
    of_suite,
    _repeated,
    _spread,
)
