"""How a sweep is run, as its command says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from r2po.llm.ledger import Caps
from r2po.sweep.batching.clerk import BatchTerms
from r2po.sweep.outages import MAX_OUTAGE_S
from r2po.sweep.race import Rule


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run, which changes nothing in its results.

    Attributes:
        name: Name of the sweep's folder; None for one made from the request.
        jobs: Largest number of runs under way; None for as many as fit into the memory.
        caps: Limits on all runs together.
        each: Limits on the runs of each experiment.
        worker: Whether this is one of several processes that divide the runs among them, and end when all are over.
        ray: Address of a Ray cluster; None for this machine.
        cpus_per_run: Cores that Ray sets aside for a run.
        quiet: Whether to print nothing but errors.
        max_outage_s: How long a server that is out is waited for; 0 to count each attempt at it like any other.
        first: Configs whose runs are started before all others.
        hook: Command that is run when the sweep is done, a run fails or a cap is reached; None for none.
        race: Rule by which experiments get no more runs that are surely not the best; None to make all.
        batch: How calls are sent in batches; None to make each by itself.
        track: Trackers that follow the runs; None for those that each config names.
    """

    name: str | None = None
    jobs: int | None = None
    caps: Caps = field(default_factory=Caps)
    each: Caps = field(default_factory=Caps)
    worker: bool = False
    ray: str | None = None
    cpus_per_run: float = 0.25
    quiet: bool = False
    max_outage_s: float = MAX_OUTAGE_S
    first: Sequence[str] = ()
    hook: str | None = None
    race: Rule | None = None
    batch: BatchTerms | None = None
    track: Sequence[str] | None = None
