"""A process among those that work on the same sweep: how it joins them, divides the runs with them, and leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from r2po.errors import InputError
from r2po.llm.ledger import Amount, Caps
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.from_logs import read_shared
from r2po.sweep.manifest import Manifest, folder_of, name_of
from r2po.sweep.members.accounts import Account, Accounts
from r2po.sweep.members.members import Members
from r2po.sweep.members.onlookers import held_in
from r2po.sweep.members.sharing import SharedCoordinator
from r2po.sweep.messages import Ended, Listener, Progress
from r2po.sweep.plan import PlannedRun, SweepRequest
from r2po.sweep.workers.claims import Claims

NO_CAPS = "{host}, process {pid}, works on this sweep without caps, so none would hold: stop it, or give none here"
WITH_CAPS = "{host}, process {pid}, works on this sweep with caps, which would not hold: give this process the same"
NO_LOCKS = "file locks keep nobody out here: runs are claimed by files alone, so nothing else may make them meanwhile"


class Company:
    """Joins those who work on a sweep.

    Args:
        name: Name of the sweep's folder.
        runs: Its runs.
        request: What was asked for.
        note: Hears what the user should know.
        worker: Whether any number of processes may do the same.
        caps: Limits on all runs together.
        each: Limits on the runs of each experiment.
        alone: Whether nobody else can take part, since the calls are granted elsewhere.
        usage: Reads from its log what a run has used.
        max_outage_s: How long a server that is out is waited for.

    Attributes:
        manifest: That of the sweep.
        coordinator: Grants the calls of the runs of this process.

    Raises:
        InputError: The sweep has other runs, or is run by another process that does not share it; or not all have caps.
    """

    def __init__(
        self,
        name: str,
        runs: Sequence[PlannedRun],
        request: SweepRequest,
        note: Callable[[str], None],
        *,
        worker: bool,
        caps: Caps,
        each: Caps,
        alone: bool,
        usage: Callable[[int], Amount],
        max_outage_s: float = 0.0,
    ) -> None:
        self._patient = worker
        self._claims: Claims | None = None
        self._members: Members | None = None
        folder = folder_of(name, runs)
        manifest: Manifest | None = None
        is_first = True
        try:
            if not alone:
                self._members = Members(folder, worker=worker, counted=caps.any or each.any)
                is_first = self._members.join()
                self._check_caps(self._members)
                if not self._members.locks_hold and worker:
                    note(NO_LOCKS)
            with self.turn():
                take_up = Manifest.join if worker else Manifest.open
                manifest = take_up(folder, runs, note, request, alone=is_first)
            if is_first and manifest.race is not None:  # it was the race of an earlier command
                manifest.race = None
                manifest.write()
            self.manifest = manifest
            named = zip(manifest.runs, runs, strict=True)
            accounts = Accounts(caps, each, [Account(told["run"], run.config.logdir) for told, run in named], usage)
        except BaseException:
            if self._members is not None:
                self._members.leave()
            if manifest is not None:
                manifest.close()
            raise
        self._accounts = accounts
        self.coordinator = (
            Coordinator(accounts, max_outage_s)
            if self._members is None
            else SharedCoordinator(accounts, self._members, max_outage_s)
        )

    def _check_caps(self, members: Members) -> None:
        for other in members.live():
            if other.counted != members.me.counted:
                text = NO_CAPS if members.me.counted else WITH_CAPS
                raise InputError(text.format(host=other.host, pid=other.pid))

    def divide(self, listener: Listener) -> Claims:
        """Return what says which runs this process makes."""
        assert self._members is not None
        names = [str(run["run"]) for run in self.manifest.runs]
        self._claims = Claims(names, self._members, self._accounts, listener, self._deferred, patient=self._patient)
        return self._claims

    def _deferred(self) -> set[str]:
        if self.manifest.is_news():
            self.manifest.refresh()
        return self.manifest.deferred

    def free(self, runs: Iterable[int]) -> list[int]:
        """Return those of these runs that no other process makes now."""
        held = set() if self._members is None else self._members.held()
        return [run for run in runs if self.manifest.runs[run]["run"] not in held]

    def accepts(self, ended: Ended) -> bool:
        """A run ended here, and is given back; returns whether that settles it, or it is to be tried again."""
        return self._claims is None or self._claims.ended(ended)

    def fail(self, ended: Ended) -> None:
        """Remember why a run failed."""
        with self.turn():
            self.manifest.fail(ended.run, ended.reason)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep the others from claiming runs until the block ends."""
        with nullcontext() if self._members is None else self._members.locked():
            yield

    def leave(self) -> None:
        """Give all runs back."""
        try:
            if self._members is not None:
                self._accounts.lose_all()
                self._accounts.tell(self._members.me)
        finally:
            if self._members is not None:
                self._members.leave()
            self.manifest.close()


def where_they_stand(sweep: Path, runs: Sequence[PlannedRun]) -> list[Progress]:
    """Return where the runs of a sweep stand; its folder may not be there yet."""
    return [
        read_shared(
            run.index,
            run.path,
            run.config.num_iterations or 0,
            lambda run=run: name_of(run, sweep.parent) in held_in(sweep),  # type: ignore[misc]
        )
        for run in runs
    ]
