"""A clerk with one server, as a sweep has it, and calls that no run makes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from r2po.llm.providers.batches.batches import Batches, Outcome, batches_of
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings, Request
from r2po.sweep.batching.clerk import BatchTerms, Clerk
from r2po.sweep.batching.desk import Desk
from r2po.sweep.batching.messages import BatchCall
from r2po.sweep.batching.pauses import Pauses
from tests.llm.fake_servers.batching import Batching

SOON = Pauses(0.005, 0.02, 0.05)
PATIENCE_S = 20.0
KEY = "sk-secret-key-0123456789"


class OneDesk:
    """All calls go to one model."""

    def __init__(self, server: Batching) -> None:
        provider = provider_for(server.model, ProviderSettings(server.environ, timeout_s=5.0))
        batches = batches_of(provider)
        assert batches is not None
        self.batches: Batches = batches
        self.desk = Desk(batches, server.model)
        self.bodies = _bodies_of(server)

    @property
    def all(self) -> list[Desk]:
        return [self.desk]

    def of(self, run: int, role: str) -> Desk:
        return self.desk


def _bodies_of(server: Batching, prompts: int = 5) -> list[Mapping[str, object]]:
    """Return what the provider sends for the prompts "prompt 0" and so on."""
    provider, bodies = provider_for(server.model, ProviderSettings(server.environ)), list[Mapping[str, object]]()

    def line(_request: Request, body: Mapping[str, object]) -> tuple[int, object]:
        bodies.append(body)
        return 500, {}

    provider.line = line
    for number in range(prompts):
        with suppress(AttemptFailed):
            provider.complete(Request(1, "search", 0, 1, f"prompt {number}"))
    return bodies


def call(desk: OneDesk, run: int, *, again: bool = False) -> BatchCall:
    """Return the first call of a run."""
    return BatchCall(run, "search", 1, f"address-{run}", desk.bodies[run], again, call=-1)


def make_clerk(folder: Path, desk: OneDesk, *, resend: Iterable[str] = (), opened: bool = True) -> Clerk:
    """Return the clerk of a sweep; what is collected is sent at once."""
    clerk = Clerk(folder, BatchTerms(0.0, SOON, tuple(resend)), desk, lambda run: f"nim/run_{run}")
    if opened:
        clerk.open()
    return clerk


def served(clerk: Clerk, desk: OneDesk, runs: Sequence[int], *, again: bool = False) -> dict[int, Outcome]:
    """Hand in the call of each of these runs, and return what came of them."""
    for run in runs:
        clerk.take(call(desk, run, again=again))
    return waited(clerk, runs)


def waited(clerk: Clerk, runs: Sequence[int]) -> dict[int, Outcome]:
    """Wait until all these runs have an answer, or the clerk cannot go on."""
    found: dict[int, Outcome] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < len(runs) and not clerk.problem:
        assert time.monotonic() < deadline, "waited in vain"
        clerk.tick(runs)
        found |= {answer.run: answer.outcome for answer in clerk.answers()}
        time.sleep(0.002)
    return found
