"""What ``run.yaml`` says about a run's method and task, so that analyses need neither the code nor the card."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from typing_extensions import NotRequired, TypedDict  # pydantic refuses typing's before Python 3.12

NO_MODEL = "none"
"""Stands for the model's name in runs of methods that ask none."""


class Style(TypedDict):
    """How a method looks in every figure.

    Attributes:
        colour: Hexadecimal RGB.
        dashes: Lengths on and off in line widths; none for a solid line.
        marker: Marker of matplotlib.
    """

    colour: str
    dashes: Sequence[float]
    marker: str


class Pair(TypedDict):
    """Two candidates of one iteration; the second revises the first, or follows it.

    Attributes:
        proposal: Stage of the first.
        revision: Stage of the second.
        role: Whose reply the second is: "search", "critic", ...
    """

    proposal: str
    revision: str
    role: str


class MethodFacts(TypedDict):
    """What tables, figures and tests must know of a method.

    Attributes:
        name: Value of the config key ``method``.
        label: Name in tables and figures.
        calls_per_iteration: Calls to a model, with the config of the run.
        evaluations_per_iteration: Candidates that are rolled out, with the config of the run.
        roles: Who is asked: "search", "critic", ...; none if no model is.
        pair: Its proposal and revision, if it has both.
        revision_rule: Whether its prompts tell the critic from which reward (tau_c) to change little.
        searches: The only kind of policies that it can search; empty for all.
        chooses_by_mean: Whether the accepted candidate is the one with the best of several noisy means, so that its
            reward is biased upwards. Logs of earlier versions do not say it.
    """

    name: str
    label: str
    style: Style
    calls_per_iteration: int
    evaluations_per_iteration: int
    roles: Sequence[str]
    pair: Pair | None
    revision_rule: bool
    searches: str
    chooses_by_mean: NotRequired[bool]


class TaskFacts(TypedDict):
    """What analyses must know of a task; None where nothing is known.

    Attributes:
        label: Name in tables and figures.
        policy: Default policy family.
        optimum: Return that counts as solved, the 1 of normalised scores.
        random_reward: Mean return of random policies, their 0.
        conservative_threshold: Default of tau_c.
    """

    name: str
    label: str
    policy: str | None
    optimum: float | None
    random_reward: float | None
    conservative_threshold: float | None


class PluginFacts(TypedDict):
    """A plugin that a run was made with.

    Attributes:
        name: Its name: that of its module, or of its entry point.
        version: That of its distribution; None if it is a file or folder of the user's.
        sha256: Hash of its source files when it was loaded.
    """

    name: str
    version: str | None
    sha256: str


class PromptFacts(TypedDict):
    """From which texts the prompts of a run are written.

    Attributes:
        description: Which description of the task they give: "published", "detailed", or "own" if there is but one.
        templates: Hash of the templates that the method renders; empty if it renders none of r2po's.
        task: Hash of that description.
        style: "compact", or "own" or "own, compact" if templates of the user's are among them; missing if all of them
            are those of the published style.
    """

    description: str
    templates: str
    task: str
    style: NotRequired[str]


class ServerFacts(TypedDict):
    """Which server answers a role, without credentials.

    Attributes:
        host: Its name or IP address; empty if its address has none.
        port: None if its address has none and its scheme no usual one.
        path: What stands before all paths of requests.
        model: What it told of the model, under its own names, such as a digest or a version; None if nothing.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    model: dict[str, Any] | None


class TuningFacts(TypedDict):
    """What the evaluations of an iteration took that tuned constants and are no candidates.

    Attributes:
        evaluations: How many there were; ``evaluations.jsonl`` has a line for each.
        episodes: Episodes of all of them.
        steps: Steps of all of these.
    """

    evaluations: int
    episodes: int
    steps: int


def style(colour: str, dashes: Sequence[float], marker: str) -> Style:
    """Return the fields of a ``Style`` as one."""
    return {"colour": colour, "dashes": dashes, "marker": marker}


MARKERS = ".,ov^<>12348spP*hH+xXDd|_"
"""Markers of matplotlib, each a single character."""


def style_problem(look: Style) -> str:
    """Say what keeps a style from being drawn; empty if nothing does."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", str(look["colour"])):
        return f"colour is {look['colour']!r}; expected six hexadecimal digits, e.g. '#003c97'"
    if look["marker"] not in tuple(MARKERS):
        return f"marker is {look['marker']!r}; expected one of {' '.join(MARKERS)}"
    if len(look["dashes"]) % 2 or not all(math.isfinite(each) and each > 0 for each in look["dashes"]):
        return f"dashes is {look['dashes']!r}; expected pairs of lengths on and off above 0, or none"
    return ""


def pair(proposal: str, revision: str, role: str) -> Pair:
    """Return the fields of a ``Pair`` as one."""
    return {"proposal": proposal, "revision": revision, "role": role}


GREY = style("#6e6e6e", (), "o")
"""How a method looks that has no style of its own."""
