"""What reasons depend on beside the runs of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from r2po.reproduce.part import Part


@dataclass(frozen=True)
class Context:
    """What reasons depend on beside the runs.

    Attributes:
        part: The part of the paper.
        configs: Folder of configs.
        by_logdir: Config below it, by the name of its log directory.
    """

    part: Part
    configs: Path
    by_logdir: Mapping[str, str]
