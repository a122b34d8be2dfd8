"""Rewards of accepted candidates on fresh episodes, as a run's ``reevaluation.jsonl`` has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from r2po.analysis.logs.run_data import Floats
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.reevaluation import fresh_rewards


def read_reevaluated(path: Path, logged: Sequence[tuple[int, float, int | None]]) -> tuple[Floats | None, list[str]]:
    """Return the (n,) mean returns on fresh episodes, and a note if the file cannot be used.

    ``logged`` has number, reward and accepted candidate of each of the n iterations. There are no such returns if any
    iteration that accepted a candidate has none on record.
    """
    try:
        rewards = fresh_rewards(path, logged)
    except DamagedLog as error:
        return None, [str(error).replace(f"{path.parent}/", "")]
    return (None if rewards is None else np.array(rewards)), []
