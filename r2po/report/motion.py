"""Rollouts to be played: read from the log where it kept them, else rolled out again from their seeds.

A rollout that is made again counts only if its return is the logged one, to the last bit: with other versions of the
libraries it may be another rollout. Programs are not run again, and neither is anything of a foreign format.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from r2po.analysis.lineage.reading import Log
from r2po.config import Config
from r2po.errors import R2POError
from r2po.experiment.plugins import load_plugins_of
from r2po.experiment.setting import Setting
from r2po.report.filming import Filmed, film
from r2po.report.films import DRAWN
from r2po.report.head import run_name
from r2po.report.machine_paths import without_paths
from r2po.report.maps import grid_of
from r2po.report.packing import Values
from r2po.report.states import pack_states
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.trajectories import read_trajectory

Motion = Literal["shown", "all", "none"]
"""Rollouts that prompts showed, one of each candidate, or none."""

TELL_EVERY_S = 5.0


@dataclass
class Play:
    """What can be played.

    Attributes:
        rollouts: By the place of the candidate among all.
        about: A sentence on where they come from, and what is missing.
        grid: The map of a grid world; None for other environments.
        notes: What the command should say.
        again: The candidates whose rollouts were made again.
        unlike: Those of which rolling out again gave another return than the logged one.
        late: For how many there was no time.
    """

    rollouts: dict[int, Values] = field(default_factory=dict)
    about: str = ""
    grid: Values | None = None
    notes: list[str] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    unlike: set[int] = field(default_factory=set)
    late: int = 0


def kept_only(about: str) -> Play:
    """Return a play without rollouts, and why."""
    return Play(about=about)


def play_log(
    log: Log,
    core: Values,
    motion: Motion,
    seconds: float,
    tell: Callable[[str], None],
    *,
    films: bool = False,
    before: Play | None = None,
) -> Play:
    """Return the rollouts of a run.

    Args:
        log: What could be read of it.
        core: Its block ``core``, for its candidates.
        motion: Which rollouts.
        seconds: How long rolling out again may take.
        tell: Called with how far it is.
        films: Whether the best policies of an environment that the page cannot draw get pictures.
        before: What an earlier look at the same log gave; its rollouts are taken over, in their order.
    """
    if motion == "none":
        return kept_only("This report was made without rollouts.")
    wanted = [(place, each) for place, each in enumerate(core["candidates"]) if each.get("returns")]
    if not wanted or (core["size"] == 0 and not any("source" in each for _, each in wanted)):
        return kept_only("The log holds no policies that could be rolled out.")
    play = Play() if before is None else _continued(before)
    sums = {record["iteration"]: record.get("sums", {}).get("trajectories") for record in log.iterations}
    damaged: list[str] = []
    for place, each in ((place, each) for place, each in wanted if place not in play.rollouts):
        found = _kept(log, each, sums.get(each["i"]), damaged)
        if found is not None:
            play.rollouts[place] = found
    known = play.rollouts.keys() | play.unlike
    missing = [pair for pair in wanted if pair[0] not in known and (motion == "all" or pair[1].get("shown"))]
    asked = _Asked(missing, _best_ones(wanted, core) if films else [], seconds, tell)
    came = _again(log, play, asked) if missing or core["size"] else _Came()
    came.different = len(play.unlike)
    play.late = came.late
    play.about = _about(len(play.rollouts) - len(play.again), len(play.again), came)
    play.notes += [] if came.is_whole else [f"{log.path.name}: {play.about}"]
    play.notes += damaged[:1]
    return play


def _continued(before: Play) -> Play:
    """Return a play that begins with what an earlier one has; a map does not change."""
    return Play(dict(before.rollouts), grid=before.grid, again=set(before.again), unlike=set(before.unlike))


@dataclass
class _Came:
    """What came of rolling out again.

    Attributes:
        problem: Why nothing could be; empty if nothing kept it from it.
        different: How many rollouts came out otherwise.
        late: For how many there was no time.
        filmed: What came of taking pictures.
    """

    problem: str = ""
    different: int = 0
    late: int = 0
    filmed: Filmed = field(default_factory=Filmed)

    @property
    def is_whole(self) -> bool:
        return not (self.problem or self.different or self.late) and self.filmed.is_whole


def _about(kept: int, again: int, came: _Came) -> str:
    parts = [
        f"{kept} rollout{'' if kept == 1 else 's'} from the log" if kept else "",
        f"{again} rolled out again from their seeds, each with exactly the logged return" if again else "",
        f"{came.different} not played, since rolling out again did not give the logged return "
        "(other versions of libraries?)"
        if came.different
        else "",
        f"{came.late} not rolled out again within the limit of time" if came.late else "",
    ]
    told = "; ".join(filter(None, [*parts, came.problem, *came.filmed.words()]))
    return f"{told[0].upper()}{told[1:]}." if told else "No rollout can be played."


def _kept(log: Log, candidate: Values, expected: str | None, damaged: list[str]) -> Values | None:
    """Return a rollout of a candidate that the log kept, the first of those that were shown."""
    try:
        for index in candidate.get("shown") or ():
            arrays = read_trajectory(log.path, candidate["i"], candidate["stage"], index, expected)
            if arrays is not None:
                return _entry(arrays["observations"], arrays["actions"], index, candidate["returns"][index])
    except (DamagedLog, IndexError, TypeError, ValueError) as error:  # arrays of other shapes than a rollout has
        damaged.append(f"a kept rollout of iteration {candidate['i']} is not played: {_one_line(error, log)}")
    return None


def _entry(observations: Any, actions: Any, index: int, total: float) -> Values:
    return {**pack_states(np.asarray(observations), np.asarray(actions)), "k": index, "return": total}


@dataclass(frozen=True)
class _Asked:
    """What is to be rolled out again.

    Attributes:
        missing: Candidates without a rollout, with their places.
        filmed: Candidates that are to have pictures.
        seconds: How much processor time that may take, pictures included.
        tell: Called with how far it is.
    """

    missing: Sequence[tuple[int, Values]]
    filmed: Sequence[tuple[int, Values]]
    seconds: float
    tell: Callable[[str], None]


def _best_ones(wanted: Sequence[tuple[int, Values]], core: Values) -> list[tuple[int, Values]]:
    """Return the kept candidates that were better than all before."""
    bests = {each["n"] for each in core["iterations"] if each["is_best"]}
    return [(place, each) for place, each in wanted if each.get("kept") and each["i"] in bests and each.get("params")]


def _again(log: Log, play: Play, asked: _Asked) -> _Came:
    """Roll out again what is missing, look at the map, and take pictures; returns what came of it."""
    if log.description is None:
        return _Came("without run.yaml, nothing can be rolled out again")
    if log.description["config"].get("algorithm") is not None:
        return _Came()
    try:
        load_plugins_of(log.description, log.path)
        # All engines give the same numbers; this one needs no compilation.
        config = {**log.description["config"], "rollout_engine": "reference"}
        setting = Setting(Config(**config), log.description["seed"])
    except Exception as error:  # noqa: BLE001 - whatever keeps an old setting from being made, the page is made
        return _Came(f"nothing could be rolled out again: {_one_line(error, log)}")
    with closing(setting):
        try:
            play.grid = grid_of(setting)
            if setting.policy.walled:
                return _Came("policies that are programs are not run again" if asked.missing else "")
            return _roll_out_and_film(log, setting, play, asked)
        except Exception as error:  # noqa: BLE001 - as above: environments have errors of their own
            return _Came(f"rolling out again failed: {_one_line(error, log)}")


def _roll_out_and_film(log: Log, setting: Setting, play: Play, asked: _Asked) -> _Came:
    """Roll out again what is missing, and what is to have pictures; both within one limit of time."""
    is_drawn = play.grid is not None or setting.brief.task.name in DRAWN
    filmed = [] if is_drawn else asked.filmed
    places = {place for place, _ in asked.missing}
    missing = [*asked.missing, *(pair for pair in filmed if pair[0] not in places and pair[0] not in play.rollouts)]
    deadline = time.process_time() + asked.seconds
    came = _Came("", late=_roll_out(setting, play, missing, deadline, asked.tell))
    if asked.filmed and is_drawn:
        came.problem = "pictures are only taken of environments that the page cannot draw itself"
    came.filmed = film(setting, play.rollouts, filmed, deadline, asked.tell, lambda error: _one_line(error, log))
    return came


def _one_line(error: Exception, log: Log) -> str:
    """Return the text of an error without the places of the machine: pages are passed on."""
    text = " ".join(without_paths(str(error).replace(str(log.path), run_name(log.path))).split())[:300]
    return text if isinstance(error, R2POError) else f"{type(error).__name__}: {text}"


def _roll_out(
    setting: Setting,
    play: Play,
    wanted: Sequence[tuple[int, Values]],
    deadline: float,
    tell: Callable[[str], None],
) -> int:
    """Roll out again; returns for how many there was no time."""
    missing = [pair for pair in wanted if pair[1].get("params")]
    told = time.monotonic()
    for done, (place, candidate) in enumerate(best_first(missing)):
        if time.process_time() > deadline:
            return len(missing) - done
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            tell(f"rolled out again: {done} of {len(missing)}")
        found = _rolled_out(setting, candidate)
        if found is None:
            play.unlike.add(place)
        else:
            play.rollouts[place] = found
            play.again.add(place)
    return 0


def _rolled_out(setting: Setting, candidate: Values) -> Values | None:
    """Return a rollout of a candidate, made again; None if it is another one than the log tells of."""
    index = index_of(candidate)
    seed = setting.seeds(candidate["i"], candidate["j"])[index]
    record: Mapping[str, Any] = {"stage": candidate["stage"], "params": candidate["params"]}
    try:
        rollout = setting.roll_out(setting.policy.load(record), seed)
    except Exception:  # noqa: BLE001 - one odd policy of a damaged log is no reason to leave out the others
        return None
    if rollout.total != candidate["returns"][index]:
        return None
    return _entry(rollout.observations, rollout.actions, index, rollout.total)


def index_of(candidate: Values) -> int:
    """Return which rollout of a candidate is played: the first that was shown, else the median one."""
    shown = candidate.get("shown")
    if shown:
        return int(shown[0])
    order = np.argsort(candidate["returns"], kind="stable")
    return int(order[(len(order) - 1) // 2])


def best_first(missing: Sequence[tuple[int, Values]]) -> Iterator[tuple[int, Values]]:
    """Yield the candidates that set a new best first: what readers look at, if time is short."""
    best = -math.inf
    first: list[tuple[int, Values]] = []
    others: list[tuple[int, Values]] = []
    for pair in missing:
        is_best = pair[1]["reward"] > best
        best = max(best, pair[1]["reward"])
        (first if is_best else others).append(pair)
    yield from first
    yield from others
