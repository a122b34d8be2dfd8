"""Small logs of searches, written by hand, so that it is known what is to be shown of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from r2po.analysis.lineage.details import Parts
from r2po.analysis.lineage.show import show
from r2po.terminal import console as make_console
from tests.analysis.made_logs import write_description, write_lines

GOOD = "class Policy:\n    def act(self, obs):\n        return int(obs[2] > 0)"
BROKEN = GOOD.replace("Policy:", "Policy")
CRASH = {"kind": "error", "text": "In step 5 of an episode:\n  line 3, in act\nKeyError: 7"}
SYNTAX = {"kind": "syntax", "text": "line 1\n    class Policy\nSyntaxError: expected ':'"}


def worked(stage: str, *returns: float, **fields: Any) -> dict[str, Any]:
    """Return a candidate that works."""
    ends = {"lengths": [int(abs(value)) for value in returns], "ends": ["terminated"] * len(returns)}
    return {"stage": stage, "call": "", "reward": sum(returns) / len(returns), "returns": returns, **ends, **fields}


def failed(stage: str, source: str, failure: dict[str, str], *lengths: int) -> dict[str, Any]:
    """Return a candidate that does not."""
    return {"stage": stage, "call": "", "source": source, "failure": failure, "lengths": lengths}


def iteration(
    number: int, candidates: Sequence[dict[str, Any]], accepted: int | None, best: float | None, **fields: Any
) -> dict[str, Any]:
    """Return a line of ``iterations.jsonl``."""
    return {
        "iteration": number,
        "reward": None if accepted is None else candidates[accepted]["reward"],
        "best_reward": best,
        "accepted": accepted,
        "candidates": candidates,
        "episodes": 10 * number,
        "steps": 100 * number,
        "llm_calls": 3 * number,
        "times": {"llm_s": 1.0},
        **fields,
    }


PROGRAMS = [
    iteration(
        1,
        [
            worked("candidate_1", 10, 11, source=GOOD),
            failed("candidate_2", BROKEN, SYNTAX),
            failed("candidate_3", GOOD, CRASH, 4, 4),
            worked("candidate_2_repair_1", 40, 60, source=GOOD),
            failed("candidate_3_repair_1", GOOD, CRASH, 4, 4),
            failed("candidate_3_repair_2", f"{GOOD}\n", CRASH, 4, 4),
        ],
        3,
        50.0,
        notes={
            "feedback": {"source": "def summarize(o):\n    return 'x'", "call": "", "repairs": 1, "why": ""},
            "summaries": ["fell to the left", "fell to the right"],
        },
    ),
    iteration(
        2,
        [failed("candidate_1", BROKEN, SYNTAX), failed("candidate_3", GOOD, CRASH, 4, 4)],
        None,
        50.0,
        notes={
            "reflection": {"of": 1, "text": "It is better.\nMore of it.", "call": ""},
            "equal": {"candidate_2": "candidate_1"},
        },
    ),
]
"""PromptPO: repairs, one of which is kept; then a round in which nothing works."""

PAIRS = [
    iteration(
        1,
        [worked("proposal", 9, 11, params=[1.0, 2.0, -0.5]), worked("revision", 44, 46, params=[1.0, 3.5, 0.5])],
        1,
        45.0,
    ),
    iteration(
        2,
        [worked("proposal", 20, params=[1.0, 3.5, 0.5]), worked("revision", 19, params=[1.0, 3.5, 0.5])],
        0,
        45.0,
    ),
]
"""R2PO on numbers: a revision that is better, then one that changes nothing."""


def write_log(folder: Path, method: str, records: Sequence[dict[str, Any]], torn: str = "", **changes: Any) -> Path:
    """Write a run that has come so far; returns its folder."""
    run = folder / "run_1"
    run.mkdir()
    write_description(run, 1, 10, changes, {"method": method})
    write_lines(run, records, torn)
    return run


def shown(run: Path, *, width: int = 80, colours: bool = False, **options: Any) -> str:
    """Return what is printed of a run, but for the line with its path."""
    out = io.StringIO()
    kind = type(make_console())
    console = kind(
        file=out,
        width=width,
        highlight=False,
        markup=False,
        force_terminal=colours,
        color_system="standard" if colours else None,
    )
    _show(run, console, **options)
    return "".join(line for line in out.getvalue().splitlines(keepends=True) if str(run.parent) not in line)


def _show(run: Path, console: Console, *, iteration: int | None = None, best: bool = False, **parts: bool) -> None:
    show(run, console, iteration=iteration, best=best, parts=Parts(**parts))
