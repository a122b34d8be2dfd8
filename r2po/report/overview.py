"""Several runs side by side: their curves, how they came out, and in which settings they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from r2po.report.packing import Values, is_finite
from r2po.runlog.keys import telling

_NO_SETTINGS = {"seed"}
"""What may differ between the runs of one experiment."""
UNSET = "not set"


@dataclass(frozen=True)
class Member:
    """A run among others: no more of it than an overview shows, since there may be a thousand.

    Attributes:
        id: How its blocks are named; letters and digits only.
        folder: The folder of its experiment, to tell experiments apart; only its name is shown.
        method: Its method, as tables call it.
        environment: Its task, likewise.
        target: The return that counts as solved, if its log names one.
        settings: Its settings as texts, by name, without what may differ between the runs of an experiment.
        badges: What its page is marked with.
        outcome: Its rewards, and how it came out.
    """

    id: str
    folder: Path
    method: str
    environment: str
    target: float | None
    settings: Mapping[str, str]
    badges: Sequence[str]
    outcome: Values


def member_of(name: str, folder: Path, core: Values) -> Member:
    """Return a run as an overview shows it, given the name of its blocks, its folder and its block ``core``."""
    head, shown = core["head"], dict(core["settings"])
    settings = {name: shown[name] for name in telling(shown) if name not in _NO_SETTINGS}
    own = (name, folder, head["method"], head["environment"], core["target"])
    return Member(*own, settings, head["badges"], _outcome(core))


def _outcome(core: Values) -> Values:
    done = [each for each in core["iterations"] if is_finite(each.get("reward"))]
    last: Values = core["iterations"][-1] if core["iterations"] else {}
    badges = core["head"]["badges"]
    return {
        "name": core["head"]["run"],
        "numbers": [each["n"] for each in done],
        "rewards": [each["reward"] for each in done],
        "iterations": len(core["iterations"]),
        "best": next((each["best"] for each in reversed(done) if "best" in each), None),
        "heldout": (core["heldout"] or {}).get("reward"),
        "last": last.get("reward"),
        "episodes": last.get("episodes"),
        "calls": last.get("calls"),
        "cost": core["cost"],
        "complete": core["head"]["complete"],
        "stand_in": any("stand-in" in badge for badge in badges),
        "replay": any(badge.startswith("replay") for badge in badges),
    }


@dataclass
class _Experiment:
    folder: Path
    settings: Mapping[str, str]
    label: str
    environment: str
    runs: list[int] = field(default_factory=list)


def overview_of(members: Sequence[Member], files: Mapping[str, str]) -> Values:
    """Return the block ``overview``: environments, experiments, runs, and settings that differ.

    Args:
        members: The runs.
        files: The page of each run that has one of its own, by ``id``.
    """
    experiments = _experiments(members)
    of_run = {run: number for number, each in enumerate(experiments) for run in each.runs}
    environments: dict[str, Values] = {}
    for each in members:
        name = each.environment
        environments.setdefault(name, {"name": name, "label": name, "target": each.target})
    return {
        "environments": list(environments.values()),
        "experiments": [
            {
                "label": each.label,
                "environment": each.environment,
                "runs": each.runs,
                "curve": _middle([members[run].outcome for run in each.runs]),
            }
            for each in experiments
        ],
        "runs": [
            {**each.outcome, "id": each.id, "file": files.get(each.id, ""), "experiment": of_run[number]}
            for number, each in enumerate(members)
        ],
        "differences": _differences(experiments),
    }


def badges_of(members: Sequence[Member]) -> list[str]:
    """Return what the pages of runs are marked with, each with how many it concerns."""
    marks = [badge for each in members for badge in each.badges]
    kinds = {mark: mark.split(":")[0].split(" of ")[0] for mark in marks}
    counts = {kind: sum(kinds[mark] == kind for mark in marks) for kind in kinds.values()}
    return [f"{kind}: {'all' if count == len(members) else count} of these runs" for kind, count in counts.items()]


def _experiments(members: Sequence[Member]) -> list[_Experiment]:
    """Return the experiments, each with runs of one folder that have the same settings."""
    found: list[_Experiment] = []
    for number, member in enumerate(members):
        same = next((each for each in found if (each.folder, each.settings) == (member.folder, member.settings)), None)
        if same is None:
            same = _Experiment(member.folder, member.settings, member.method, member.environment)
            found.append(same)
        same.runs.append(number)
    _label(found)
    return found


def _label(experiments: Sequence[_Experiment]) -> None:
    """Give each experiment a label of its own: its method, and its folder and a number where others have that too."""
    for label in {(each.label, each.environment) for each in experiments}:
        twins = [each for each in experiments if (each.label, each.environment) == label]
        for number, each in enumerate(twins, 1):
            name = each.folder.name
            alone = [other.folder.name for other in twins].count(name) == 1
            each.label += "" if len(twins) == 1 else f" ({name})" if alone else f" ({name}, {number})"


def _middle(runs: Sequence[Values]) -> Values:
    """Return median and quartiles over runs, at each iteration that all of them have."""
    rewards = [dict(zip(run["numbers"], run["rewards"], strict=True)) for run in runs]
    common = sorted(set.intersection(*map(set, rewards)))
    values = np.array([[run[n] for run in rewards] for n in common], dtype=np.float64).reshape(len(common), len(runs))
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=1) if len(common) else np.empty((3, 0))
    return {"x": common, "low": low.tolist(), "middle": middle.tolist(), "high": high.tolist()}


def _differences(experiments: Sequence[_Experiment]) -> Values:
    """Return the settings in which experiments differ, with the value of each."""
    names = dict.fromkeys(name for each in experiments for name in each.settings)
    values = {name: [each.settings.get(name, UNSET) for each in experiments] for name in names}
    differing = [name for name, found in values.items() if len(set(found)) > 1]
    return {"names": differing, "values": [values[name] for name in differing]}
