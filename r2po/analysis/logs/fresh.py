"""Which rewards a comparison is made of: logged ones, or those on fresh episodes. It never mixes the two.

A method that accepts the better of two candidates by their noisy means logs a reward that is biased upwards. If all
runs of such methods in a comparison have been re-evaluated, their mean and final rewards, curves and tests are those on
fresh episodes; if any has not, all rewards are the logged ones, and every output says so.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from r2po.analysis.logs.built_in import needs_reevaluation
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.run_data import RunData, drawable

METRICS = ("mean_reward", "final_reward")
"""The metrics that are biased by the choice; the best reward is a maximum anyway, and the held-out one is fresh."""

REMEDY = "`r2po reevaluate`"

Logs = TypeVar("Logs", bound=LogDirectory)


@dataclass(frozen=True)
class Basis:
    """What the rewards of a comparison are.

    Attributes:
        fresh: Whether those of methods that choose by noisy means are on fresh episodes.
        note: What outputs say of them; empty if there is nothing to say.
        warning: Which command would re-evaluate what lacks it, in one line; empty if nothing does.
    """

    fresh: bool = False
    note: str = ""
    warning: str = ""

    def notes(self, metric: str) -> list[str]:
        """Return the note, if a metric depends on these rewards."""
        return [self.note] if self.note and metric in METRICS else []

    def warnings(self, metric: str) -> list[str]:
        """Return the warning, if a metric depends on these rewards."""
        return [self.warning] if self.warning and metric in METRICS else []


def needs(run: RunData) -> bool:
    """Whether the logged rewards of a run are biased by a choice between noisy means."""
    return bool(run.num_iterations) and needs_reevaluation(run.facts)


def basis_of(runs: Iterable[RunData], *, as_published: bool = False, with_reference: bool = False) -> Basis:
    """Say what the rewards of a comparison of runs are.

    ``as_published`` takes the logged ones without a word; ``with_reference`` takes them because the published ones,
    which stand beside them, are logged ones too.
    """
    chosen = [run for run in runs if needs(run)]
    if as_published or not chosen:
        return Basis()
    names = _labels(chosen)
    rewards = f"rewards of {names} (mean, final, curves)"
    biased = f"{rewards} are logged ones: the best of several noisy means, biased upwards"
    if with_reference:
        return Basis(note=f"As in the published figures, {biased}.")
    lacking = [run for run in chosen if run.reevaluated is None]
    if not lacking:
        return Basis(True, f"{rewards[0].upper()}{rewards[1:]}: each accepted candidate on fresh episodes.")
    warning = (
        f"{len(lacking)} of {len(chosen)} runs lack a re-evaluation, so {biased}; run `{reevaluate_command(lacking)}`"
    )
    return Basis(note=f"{biased[0].upper()}{biased[1:]}; {REMEDY} helps.", warning=warning)


def incumbent_basis(runs: Iterable[RunData], *, as_published: bool = False) -> Basis:
    """Say what the values of incumbents are, whose policies were chosen by noisy means under any method.

    They are those on fresh episodes if all runs have been re-evaluated; else all are logged ones.
    """
    known = drawable(list(runs))
    lacking = [run for run in known if run.reevaluated is None]
    if known and not lacking and not as_published:
        return Basis(True, "its mean return on fresh episodes")
    logged = "the logged reward, a largest noisy mean, which flatters"
    able = [run for run in lacking if run.algorithm is None]
    if as_published or not able:
        return Basis(note=logged)
    warning = (
        f"incumbents are shown with logged rewards, which flatter: {len(lacking)} of {len(known)} runs lack a "
        f"re-evaluation; run `{reevaluate_command(able, '--all')}`"
    )
    if len(able) < len(lacking):
        names = _labels([run for run in lacking if run.algorithm is not None])
        warning = f"{warning}, and leave out {names}, whose policies are not on record"
    return Basis(note=f"{logged}; `r2po reevaluate --all` helps", warning=warning)


def _labels(runs: Iterable[RunData]) -> str:
    return ", ".join(dict.fromkeys(run.label for run in runs))


def settled(experiments: Sequence[Logs], basis: Basis) -> list[Logs]:
    """Return experiments whose runs show the rewards that a basis says."""
    return [replace(each, runs=settled_runs(each.runs, basis)) for each in experiments]


def settled_runs(runs: Sequence[RunData], basis: Basis) -> tuple[RunData, ...]:
    """Return runs that show the rewards that a basis says."""
    return tuple(replace(run, fresh=True) if basis.fresh and needs(run) else run for run in runs)


def runs_of(experiments: Sequence[LogDirectory]) -> list[RunData]:
    """Return the runs of all experiments."""
    return [run for each in experiments for run in each.runs]


def reevaluate_command(runs: Sequence[RunData], *options: str) -> str:
    """Return the command that re-evaluates runs: with their log directory, or the folder that all of these are in.

    It is for the terminal: tables and figures, which travel, do not tell the folders of the machine they were made on.
    """
    folders = list(dict.fromkeys(str(run.path.parent) for run in runs))
    try:
        folder = folders[0] if len(folders) == 1 else os.path.commonpath(folders)
    except ValueError:  # absolute paths and relative ones
        folder = str(Path.cwd())
    return shlex.join(["r2po", "reevaluate", *options, folder or "."])
