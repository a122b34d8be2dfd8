"""Reasons that lie in the model: another one than the paper's, or the same one under the name of another provider."""

from __future__ import annotations

import re
from collections.abc import Iterator

from r2po.analysis.logs.run_data import RunData, models_label
from r2po.reproduce.compared import Compared
from r2po.reproduce.context import Context
from r2po.runlog.facts import NO_MODEL

_SERVED = "which server and which build of it the paper asked is not known"
_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})")


def of_model(cell: Compared, context: Context) -> Iterator[str]:
    """Say of each model that answered whether it is the paper's."""
    paper = context.part.model
    asked = {models_label(run.model, run.critic_model): run for run in cell.runs if run.model != NO_MODEL}
    for label, run in asked.items():
        kinds = {_kind(name, paper) for name in _names(run)}
        if kinds == {"same"}:
            yield f"The model has the paper's name ({label}); {_SERVED}."
        elif "other" not in kinds:
            yield f"The model is a snapshot of the paper's ({label}; {paper}); which one the paper asked is not known."
        else:
            yield f"Another model: {label}; the paper's is {paper}."


def _names(run: RunData) -> list[str]:
    return [name for name in (run.model, run.critic_model) if name]


def _kind(model: str, paper: str) -> str:
    """Return whether a name is that of the paper's model, of a dated snapshot of it, or of another one."""
    ours, theirs = _base(model), _base(paper)
    if ours == theirs:
        return "same"
    return "snapshot" if ours.startswith(theirs) and _DATE.fullmatch(ours[len(theirs) :]) else "other"


def _base(model: str) -> str:
    """Return a model's name without what only providers write: who serves it, and at what price."""
    name = model.casefold().rpartition("/")[2].removesuffix(":free").replace(":", "-")
    return name.removesuffix("-cloud")
