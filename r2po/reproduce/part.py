"""A part of a paper: its experiments, what is made of their runs, and the published figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.reproduce.compared import Compared


class Experiment(NamedTuple):
    """One experiment of a part.

    Attributes:
        environment: Short name of its task.
        method: Value of the config key ``method``; ``sb3`` for a suite of Stable-Baselines3.
        config: Its config file, below the folder of configs.
    """

    environment: str
    method: str
    config: str


@dataclass(frozen=True)
class Place:
    """Where the logs are, where what is made of them goes, and what is asked of it.

    Attributes:
        logs: Folder of log directories.
        folder: Folder of this part's tables, figures and page.
        runs: Runs of each experiment.
        smoke: Whether budgets are tiny, so that nothing is compared with published figures.
        environments: Short names of those that were asked for; all of the part if empty.
        compared: Whether published figures may stand beside ours: no run in the logs is smoke or a stand-in's.
    """

    logs: Path
    folder: Path
    runs: int
    smoke: bool
    environments: Sequence[str] = ()
    compared: bool = True

    @property
    def from_logs(self) -> list[str]:
        """Options that say which logs an analysis reads."""
        return ["--logs-root", str(self.logs), "--max-runs", str(self.runs)]

    def file(self, name: str) -> str:
        """Return a file or folder of this part."""
        return str(self.folder / name)


class Command(NamedTuple):
    """A command of r2po that makes files of the logs; anybody can give it by hand."""

    name: str
    arguments: Sequence[str]


def _none(_: Compared) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Part:
    """A part of a paper. Adding one is a file in ``parts/`` and its line in the table there.

    Attributes:
        paper: Key of the paper.
        name: What ``--table`` calls it.
        title: What its page is called.
        source: Where the published figures come from.
        model: The model that the paper used, as its text names it.
        experiments: What is run: configs of runs, and suites of Stable-Baselines3.
        commands: What is made of the logs.
        compare: Our figures beside the published ones.
        missing: What the paper has and this lacks, a line for each thing.
        remarks: Further reasons to expect a difference in a cell, which lie in the published figures.
    """

    paper: str
    name: str
    title: str
    source: str
    model: str
    experiments: Callable[[], Sequence[Experiment]]
    commands: Callable[[Place], Sequence[Command]]
    compare: Callable[[Sequence[ExperimentLogs], Place], Sequence[Compared]]
    missing: Sequence[str] = ()
    remarks: Callable[[Compared], Sequence[str]] = _none
