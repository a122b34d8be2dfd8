"""Names and looks of what is not built in: two methods or tasks of one command never share a label, a colour or a mark.

Runs record how their method wants to be called and drawn. Authors of different methods do not know of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.runlog.facts import GREY, MethodFacts, Style, TaskFacts, style_problem
from r2po.tasks import TASKS

if TYPE_CHECKING:
    from r2po.analysis.logs.run_data import Floats

Facts = TypeVar("Facts", MethodFacts, TaskFacts)

CLOSE = 20.0
"""Colours are the same to a reader if they lie so close (CIE Lab)."""

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def distinct_methods(found: Iterable[MethodFacts]) -> Mapping[str, MethodFacts]:
    """Return the methods that are not built in, by name, with labels and styles of their own.

    Of runs that record different facts of one method, the last ones count.

    Args:
        found: What runs record, the built-in methods beside them included.
    """
    named = {facts["name"]: facts for facts in found if facts["name"]}
    own = {name: named[name] for name in sorted(named.keys() - BUILT_IN.keys())}
    labels = _distinct_labels(own, [facts["label"] for facts in BUILT_IN.values()])
    styles = _distinct_styles(
        {name: facts["style"] for name, facts in own.items()},
        [BUILT_IN[name]["style"] for name in named.keys() & BUILT_IN.keys()],
    )
    return {name: {**facts, "label": labels[name], "style": styles[name]} for name, facts in own.items()}


def distinct_tasks(found: Iterable[TaskFacts]) -> Mapping[str, TaskFacts]:
    """Return the tasks that are not built in, by name, with labels of their own; as ``distinct_methods``."""
    own = {facts["name"]: facts for facts in found if facts["name"] and facts["name"] not in TASKS}
    labels = _distinct_labels(own, [task.label for task in TASKS.values()])
    return {name: {**facts, "label": labels[name]} for name, facts in own.items()}


def _distinct_labels(own: Mapping[str, Facts], taken: Sequence[str]) -> dict[str, str]:
    """Return labels by name; one that others have too is followed by the name."""
    all_labels = [label.casefold() for label in (*taken, *(facts["label"] for facts in own.values()))]
    is_double = {name: all_labels.count(facts["label"].casefold()) > 1 for name, facts in own.items()}
    return {name: f"{facts['label']} ({name})" if is_double[name] else facts["label"] for name, facts in own.items()}


def _distinct_styles(wanted: Mapping[str, Style], taken: Sequence[Style]) -> dict[str, Style]:
    """Return styles by name: the one that is wanted, or one of a built-in method that is not there."""
    given: dict[str, Style] = {}
    for name, look in wanted.items():
        used = [*taken, *given.values()]
        usable = GREY if style_problem(look) else look
        if any(_look_alike(usable, each) for each in used):
            later = [each for other, each in wanted.items() if other not in given and not style_problem(each)]
            usable = _free([*used, *later]) or _free(used) or usable
        given[name] = usable
    return given


def _free(used: Sequence[Style]) -> Style | None:
    """Return the style of a built-in method that looks like none of these; one with dashes of its own if there is."""
    # From the end: readers know the first ones best, and could take the line for theirs.
    styles = [facts["style"] for facts in reversed(list(BUILT_IN.values()))]
    free = [each for each in styles if not any(_look_alike(each, other) for other in used)]
    taken = [list(each["dashes"]) for each in used]
    return min(free, key=lambda each: list(each["dashes"]) in taken, default=None)


def _look_alike(one: Style, other: Style) -> bool:
    same_print = one["marker"] == other["marker"] and list(one["dashes"]) == list(other["dashes"])
    return same_print or bool(np.linalg.norm(_lab(one["colour"]) - _lab(other["colour"])) < CLOSE)


@cache
def _lab(colour: str) -> Floats:
    """Return the (3,) CIE Lab coordinates of a colour, under which distances are about what eyes see."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(_TO_XYZ @ linear / _WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
