"""Which context R2PO needs on a task, with and without windows: ``python -m benchmarks.contexts``.

Counts with the dry run, which plays the first iteration with the stand-in, and writes a table into
docs/local-models.md.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.documents import DOCS, write_table
from r2po.commands.dry_run import preview
from r2po.config.load import resolve
from r2po.tasks import task_for

TABLE = "table of contexts"
TASKS = ("CartPole-v1", "Swimmer-v5")
WINDOWS: tuple[tuple[tuple[int, int] | None, tuple[int, int] | None], ...] = (
    (None, None),
    ((100, 100), (20, 20)),
    ((20, 20), (10, 10)),
    ((8, 8), (5, 5)),
)
"""First and last steps of rollouts, and best and latest trials; None for all."""
ROLES = ("search", "critic")


def most_tokens(told: str, role: str) -> int:
    """Return the most tokens that a dry run expects of the prompts of a role, in any iteration."""
    (line,) = re.findall(rf"^{role} prompts: (.*)$", told, re.MULTILINE)
    return max(int(figure.replace(",", "")) for figure in re.findall(r"to ([\d,]+) tokens", line))


def row(gym_id: str, rollout: tuple[int, int] | None, history: tuple[int, int] | None) -> list[str]:
    """Return the cells of a line."""
    windows: dict[str, Any] = {}
    if rollout:
        windows["rollout_window"] = dict(zip(("first", "last"), rollout, strict=True))
    if history:
        windows["history_window"] = dict(zip(("best", "last"), history, strict=True))
    values = {"method": "r2po", "gym_env_name": gym_id, "llm_model_name": "any", "logdir": "unused", **windows}
    told = preview(resolve(values, "the benchmark"), {})
    shown = [f"{window[0]} + {window[1]}" if window else "all" for window in (rollout, history)]
    return [task_for(gym_id).label, *shown, *(f"{most_tokens(told, role):,}" for role in ROLES)]


def table() -> str:
    """Return the table as Markdown."""
    lines = [
        "| task | steps shown: first + last | trials shown: best + latest | search, tokens | critic, tokens |",
        "|---|---|---|---:|---:|",
    ]
    lines += [f"| {' | '.join(row(task, *windows))} |" for task in TASKS for windows in WINDOWS]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the table and write it into the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contexts", description=__doc__)
    parser.add_argument("--document", type=Path, default=DOCS / "local-models.md", help="default: docs/local-models.md")
    options = parser.parse_args(arguments)
    text = table()
    print(text)
    write_table(options.document, TABLE, text)


if __name__ == "__main__":
    main()
