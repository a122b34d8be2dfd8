"""How tests are made: paired or not, as published or not, and which of them were declared beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from r2po.analysis.logs.built_in import BASELINES
from r2po.analysis.logs.comparable import others
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.names import parse_method
from r2po.analysis.logs.run_data import METRICS
from r2po.errors import InputError, nearest

Mode = Literal["best", "all"]

FORM = "METRIC[:FAMILY[:CORRECTION]]"
CORRECTIONS = ("holm", "bonferroni")
MODES = ("best", "all")


@dataclass(frozen=True)
class Primary:
    """The comparison that was declared before the results were known.

    Attributes:
        metric: One of ``METRICS``.
        family: "best": R2PO against the best baseline of each environment; "all": against each; or the key of one
            baseline. All its tests, over all environments, are one family.
        correction: One of ``CORRECTIONS``.
    """

    metric: str
    family: str = "best"
    correction: str = "holm"

    @property
    def mode(self) -> Mode:
        """In which mode its tests are made."""
        return "best" if self.family == "best" else "all"

    def covers(self, metric: str, mode: Mode, method: str) -> bool:
        """Whether a test against a baseline, by key, is one of the declared ones."""
        return metric == self.metric and mode == self.mode and self.family in (*MODES, method)


@dataclass(frozen=True)
class Rules:
    """How tests are made.

    Attributes:
        pairing: Whether runs of equal seeds are pairs, where all are.
        as_published: Whether to do without what the published tests do not have: pairs, p-values of groups without
            variance, a correction for the choice of the best baseline.
        primary: What was declared; None if nothing was.
        methods: What R2PO is tested against, by key, in this order; its baselines and what is not built in if empty.
    """

    pairing: bool = True
    as_published: bool = False
    primary: Primary | None = None
    methods: tuple[str, ...] = ()


def parse_primary(text: str) -> Primary:
    """Read ``METRIC[:FAMILY[:CORRECTION]]``; which baselines there are is seen only later, by ``resolved``.

    Raises:
        InputError: It has another form, or names no metric or correction.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InputError(f"--primary {text!r} does not have the form {FORM}, e.g. heldout_reward:best:holm")
    primary = Primary(*parts)
    for what, name, known in (("metric", primary.metric, METRICS), ("correction", primary.correction, CORRECTIONS)):
        if name not in known:
            hint = nearest(name, known)
            raise InputError(f"--primary {text!r}: no {what} {name!r}{hint}; expected one of {', '.join(known)}")
    return primary


def resolved(primary: Primary, experiments: Sequence[ExperimentLogs], methods: Sequence[str] = ()) -> Primary:
    """Return it with the key of its baseline, which may be given by its label; ``methods`` as in ``Rules``.

    Raises:
        InputError: It names no baseline.
    """
    if primary.family in MODES:
        return primary
    method = parse_method(primary.family, (each.facts for each in experiments))
    known = methods or [*BASELINES, *(facts["name"] for facts in others(experiments))]
    if method not in known:
        raise InputError(
            f"--primary: {primary.family!r} is no baseline; expected best, all or one of {', '.join(known)}"
        )
    return replace(primary, family=method)
