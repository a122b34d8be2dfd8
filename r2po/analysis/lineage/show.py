"""The lineage of a run, printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from r2po.analysis.lineage.details import Parts, details
from r2po.analysis.lineage.heading import facts_of, heading
from r2po.analysis.lineage.reading import read_log
from r2po.analysis.lineage.rounds import Round, rounds_of
from r2po.analysis.lineage.tree import LEGEND, TITLE, tree
from r2po.errors import InputError
from r2po.runlog import open_run


def show(
    path: str | Path,
    console: Console,
    *,
    iteration: int | None = None,
    best: bool = False,
    parts: Parts | None = None,
) -> None:
    """Print the rounds of a run as a tree.

    Args:
        path: The run directory.
        console: Where to print.
        iteration: The only iteration to show, which is then shown in full; None for all.
        best: Whether only iterations are shown whose policy was better than all before.
        parts: What to show of each candidate below the tree of its round.

    Raises:
        InputError: There is no such run, or no such iteration in it.
    """
    parts = parts or Parts()
    log = read_log(open_run(path))
    facts = facts_of(log.description)
    rounds = rounds_of(log.iterations, facts["pair"] if facts else None)
    chosen = [each for each in rounds if (each.is_best or not best) and iteration in (None, each.number)]
    if iteration is not None:
        if not chosen:
            raise InputError(f"{log.path} has no iteration {iteration}; {_known(rounds)}")
        parts = Parts(sources=parts.sources or not parts.diff, diff=parts.diff, diff_within=True, outcome=True)
    for line in heading(log, rounds):
        console.print(line, soft_wrap=True)
    legend = Text(LEGEND, "dim")
    if not parts.any and chosen:
        console.print(tree(chosen, legend))
        return
    for place, each in enumerate(chosen):
        console.print()
        console.print(tree([each], Text(TITLE, "dim") if place else legend))
        for thing in details(each, parts):
            console.print(thing, soft_wrap=isinstance(thing, Text))
    if iteration is not None and facts and facts["roles"]:
        roles = ", ".join(facts["roles"])
        console.print()
        console.print(Text(f"r2po prompt RUN {iteration} ROLE prints prompts and replies; ROLE: {roles}", "dim"))


def _known(rounds: Sequence[Round]) -> str:
    numbers = [each.number for each in rounds]
    return f"it has {min(numbers)} to {max(numbers)}" if numbers else "it has none yet"
