"""Rewards of accepted candidates on fresh episodes, as a run's ``reevaluation.jsonl`` has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2po.analysis.logs.run_data import Floats
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.presence import is_there
from r2po.runlog.reevaluation import Logged, fresh_rewards, gaps, read_reevaluation


def read_reevaluated(path: Path, logged: Logged) -> tuple[Floats | None, list[str]]:
    """Return the (n,) mean returns on fresh episodes, and a note if the file cannot be used or lacks some of them.

    There are no such returns if any iteration that accepted a candidate has none on record.
    """
    if not is_there(path):
        return None, []
    try:
        found = read_reevaluation(path)
    except DamagedLog as error:
        return None, [str(error).replace(f"{path.parent}/", "")]
    rewards, gap = fresh_rewards(found, logged), gaps(found, logged)
    return (None if rewards is None else np.array(rewards)), [gap] if gap else []
