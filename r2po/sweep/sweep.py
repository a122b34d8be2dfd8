"""From a request to complete runs: what is missing is started, what is half done resumed, what is complete skipped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from r2po import cores
from r2po.errors import InputError
from r2po.llm.outage import Outage
from r2po.runlog import RunDirectory
from r2po.runlog.batched import check_not_in_batches
from r2po.runlog.condition import condition_of
from r2po.sweep.batching.clerk import FOLDER, Clerk
from r2po.sweep.batching.courier import BatchStopped
from r2po.sweep.batching.desks import Desks
from r2po.sweep.batching.record import check_none_out
from r2po.sweep.beginning import set_aside_damaged_results, what_begins
from r2po.sweep.board import Board
from r2po.sweep.caps import SET, check_prices, counted, usage_of
from r2po.sweep.contacts import after_first_contacts, has_reply
from r2po.sweep.control import Ear, Orders, told
from r2po.sweep.endings import STOPPED, SweepStopped, deferred, stopped, with_remedy
from r2po.sweep.hook import Hook
from r2po.sweep.manifest import place_of
from r2po.sweep.members.onlookers import at_work
from r2po.sweep.messages import DEFERRED, GIVEN_BACK, Ended, Instruction, Note, Progress, Verdict
from r2po.sweep.options import SweepOptions
from r2po.sweep.order import ordered
from r2po.sweep.outages import Outages
from r2po.sweep.plan import SweepRequest, check_runs, plan, with_trackers
from r2po.sweep.racing import Racing
from r2po.sweep.ray_backend import RayBackend, require_ray
from r2po.sweep.screen import SweepScreen, make_screen
from r2po.sweep.second_chance import QUEUED
from r2po.sweep.workers.claims import ClaimingPool
from r2po.sweep.workers.company import Company, where_they_stand
from r2po.sweep.workers.memory import Memory, fitting_runs
from r2po.sweep.workers.room import jobs_at_once

__all__ = ["Sweep", "SweepOptions", "SweepStopped"]


class Sweep:
    """A sweep, ready to be run; ``environ`` holds keys and base URLs.

    Raises:
        InputError: Something given cannot be used; no run is started.

    Attributes:
        clerk: Sends calls in batches; None if each is made by itself.
    """

    def __init__(self, request: SweepRequest, options: SweepOptions, environ: Mapping[str, str]) -> None:
        self._given = options
        self._notes: list[str] = []
        name, runs = options.name or request.name, with_trackers(plan(request, self._note_before), options.track)
        folder = place_of(name, runs)
        self._ear = Ear(folder, {"jobs": options.jobs, **vars(options.caps)}, joins=options.worker and at_work(folder))
        self._options = options = self._as_asked()
        self.runs = counted(runs, options.caps, options.each)
        by = SET if self._ear.orders.max_cost is not None else "--max-cost"
        check_prices(self.runs, {by: options.caps, "--max-cost-each": options.each})
        check_runs(self.runs)
        if options.ray is not None:
            require_ray()
        known = where_they_stand(folder, self.runs)
        damaged = {
            each.run: condition_of(RunDirectory(self.runs[each.run].path)) for each in known if each.state == "damaged"
        }
        self._rebuilt = [run for run, condition in damaged.items() if condition.mends_itself]
        self._damaged = {run: condition for run, condition in damaged.items() if not condition.mends_itself}
        settled = self._damaged.keys() | {each.run for each in known if each.state == "complete"}
        self._todo = ordered([run for run in self.runs if run.index not in settled], options.first)
        self._todo, silent = after_first_contacts(
            self._todo, environ, waits=options.max_outage_s > 0, has_begun=lambda: any(map(has_reply, self.runs))
        )
        if options.batch is None:
            check_none_out(folder / FOLDER)
            check_not_in_batches(run.path for run in self._todo)
        desks = None if options.batch is None else Desks(self._todo, environ)
        self._todo = [replace(run, in_batches=desks is not None) for run in self._todo]
        self._racing = Racing(options.race, self.runs)
        self._company = Company(
            name,
            self.runs,
            request,
            self._note_before,
            worker=options.worker,
            caps=options.caps,
            each=options.each,
            alone=options.ray is not None,
            usage=partial(usage_of, self.runs, known),
            max_outage_s=options.max_outage_s,
        )
        self._uncounted = None if options.caps.any or options.each.any else list(known)  # the board goes on
        self.manifest = self._company.manifest
        self.board = Board([run["run"] for run in self.manifest.runs], known)
        for target, reason in silent.items():
            self._company.coordinator.begin_outage(target, reason, time.monotonic())
        self._outages = Outages(self.manifest.folder)
        self.clerk: Clerk | None = None
        if options.batch is not None and desks is not None:
            indices = [run.index for run in self._todo]
            self.clerk = Clerk(self.manifest.folder, options.batch, desks, self.board.names.__getitem__, indices)
        self._screen = SweepScreen()
        self._hook = Hook(options.hook, self.manifest.folder, environ, self._say)
        self._endings: dict[int, Ended] = {}
        self._said: set[str] = set()
        self._reached: Verdict | None = None
        self._in_memory = 0
        self._room: tuple[int | None, int] = (None, 0)
        self._place: ClaimingPool | RayBackend | None = None

    def run(self) -> None:
        """Make all runs that are not complete.

        Raises:
            SweepStopped: Some runs failed or are damaged, a cap was reached, or a cluster is lost.
            KeyboardInterrupt: Somebody asked for a stop.
        """
        with self._hook:
            try:
                self._make_runs()
                stop = stopped(self._endings, self._reached, self.board.names)
            except SweepStopped as lost:
                stop = lost
            except BatchStopped as refused:
                stop = SweepStopped(str(refused), events=("failed",))
            for event in ("done",) if stop is None else stop.events:
                self._hook.tell(event, self._done() if stop is None else str(stop))
        if stop is not None:
            raise stop

    def _make_runs(self) -> None:
        self._screen = make_screen(self.board, quiet=self._options.quiet)
        with ExitStack() as whatever_happens:  # if its output is gone, a screen cannot even be closed
            for end in (self._company.leave, self._ear.close, self._screen.close, self._outages.close):
                whatever_happens.callback(end)
            self._ear.begin()
            begins = what_begins(self.runs, self._todo, self._damaged, self._rebuilt, self.manifest)
            for text in (*begins, *self._notes, *told(Orders(), self._ear.orders, self.manifest.folder)):
                self._screen.note(text)
            for index, condition in sorted(self._damaged.items()):
                self.hear(Ended(index, "damaged", with_remedy(condition)))
            self._racing.begin(self.manifest, self.board, self._say)
            with self._company.turn():
                set_aside_damaged_results([self.runs[run].path for run in self._rebuilt], self._say)
                waiting = self._company.free(run.index for run in self._todo)
                left_out = self._racing.take(self._complete(), waiting)
            self._todo = [run for run in self._todo if run.index not in left_out]
            if self._todo:
                self._place = self._backend()
                self._obey()
                self._place.run(self._todo)
            self.manifest.refresh()
            for line in deferred(self.manifest):
                self._screen.note(line)
        if self._ear.must_stop and self.board.total.done + self._racing.deferred < len(self.runs):
            raise KeyboardInterrupt

    def _done(self) -> str:
        deferred = f", {self._racing.deferred} deferred by the race" if self._racing.deferred else ""
        return f"{self.board.total.done} runs are complete{deferred}"

    def _complete(self) -> list[int]:
        return [run.run for run in self.board.runs if run.state == "complete"]

    def _backend(self) -> ClaimingPool | RayBackend:
        options, coordinator = self._options, self._company.coordinator
        self._room = self._find_room()
        jobs, workers = self._room
        if options.ray is not None:
            return RayBackend(coordinator, self, self.manifest.folder, options.ray, options.cpus_per_run, jobs)
        assert jobs is not None
        if self.clerk is not None:
            self.clerk.open()
        memory = None if options.jobs or self.clerk is not None else Memory(workers)
        claims = self._company.divide(self)
        return ClaimingPool(coordinator, self, claims, workers=workers, jobs=jobs, memory=memory, clerk=self.clerk)

    def _find_room(self) -> tuple[int | None, int]:
        """Return how many runs are under way at once, in how many processes; a cluster knows that itself."""
        if self._options.ray is not None:
            return self._options.jobs, 0
        workers = min(cores.available(), len(self._todo))
        self._in_memory = self._in_memory or fitting_runs(workers)  # later, those under way have taken their part
        if self.clerk is not None and not self._options.jobs and len(self._todo) > self._in_memory:
            self._say(f"all {len(self._todo)} runs wait for batches at once; {self._in_memory} surely fit into memory")
        configs = [run.config for run in self._todo]
        jobs = jobs_at_once(self._options.jobs, self._in_memory, configs, workers, self._say)
        return jobs, min(workers, jobs)

    def _note_before(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def hear(self, message: Progress | Note | Ended) -> None:
        """Handle what a run says, or how it ended."""
        if isinstance(message, Note):
            self._note(message)
        elif isinstance(message, Ended):
            self._end(message)
        else:
            # Over Ray, news may come after the end: its counts are valid, its state is not.
            if message.run in self._endings:
                known = self.board.runs[message.run]
                message = replace(message, state=known.state, now=known.now)
            self.board.update(message)

    def tick(self, paces: Mapping[str, float], reached: Verdict | None, outages: Mapping[str, Outage]) -> None:
        """Show how far all runs are."""
        self.board.throttled.update(paces)
        for line in self._outages.update(outages):
            self._screen.note(line)
        self.board.outages = self._outages.since
        self._reached = reached
        self._screen.tick()
        before = self._ear.orders
        if self._ear.look():
            for text in told(before, self._ear.orders, self.manifest.folder, stops=self._ear.must_stop):
                self._screen.note(text)
            self._obey()
        if self._ear.problem and self._ear.problem not in self._said:
            self._said.add(self._ear.problem)
            self._screen.note(self._ear.problem)
        self._hook.look()

    def _say(self, text: str) -> None:
        self._screen.note(text)

    @property
    def limits_set(self) -> Mapping[str, float]:
        """Limits that people have set while it was under way, or before."""
        return self._ear.orders.limits

    def _as_asked(self) -> SweepOptions:
        """Return the options with the limits that people have set in the place of the given ones."""
        orders = self._ear.orders
        return replace(self._given, jobs=orders.jobs or self._given.jobs, caps=orders.caps(self._given.caps))

    def _obey(self) -> None:
        """Do from now on what people ask, and answer."""
        before, self._options = self._options, self._as_asked()
        caps, used, refused = self._options.caps, None, ""
        try:
            check_prices(self.runs, {"--max-cost": caps})
            if caps.any and self._uncounted is not None:
                used = [usage_of(self.runs, self._uncounted, run.index, before=True) for run in self.runs]
                self._uncounted = None
        except InputError as error:
            self._options, refused = before, str(error)
            self._screen.note(f"a cap stays as it was: {refused}")
        if before.jobs != self._options.jobs:
            self._room = self._find_room()
        orders, self.board.is_paused = self._ear.orders, bool(self._ear.orders.paused)
        assert self._place is not None
        asked = Instruction(self.board.is_paused, self._ear.must_stop, self._options.caps, used)
        answer = self._place.obey(asked, *self._room)
        self._ear.answer(replace(answer, revision=orders.revision, refused=refused))

    def _note(self, note: Note) -> None:
        """Print what a run says, if no other has said it: a thousand runs of one config say the same."""
        if note.run is None:
            self._screen.note(note.text)
        elif note.text not in self._said:
            self._said.add(note.text)
            self._screen.note(f"{self.board.names[note.run]}: {note.text}")

    def _end(self, ended: Ended) -> None:
        if ended.state in (GIVEN_BACK, QUEUED, DEFERRED):
            self.board.set_state(ended.run, "waiting", ended.reason if ended.state == QUEUED else ended.state)
            if ended.state == QUEUED:
                self._screen.note(f"{self.board.names[ended.run]} failed and is made again later: {ended.reason}")
            return
        if not self._company.accepts(ended):
            self.board.set_state(ended.run, "waiting", "another process has it")
            return
        if ended.state == "failed":
            self._company.fail(ended)
            if all(each.state != "failed" for each in self._endings.values()):
                self._hook.tell("failed", f"{self.board.names[ended.run]}: {ended.reason}")
        self._endings[ended.run] = ended
        why = {"waiting": "stopped"} if self._ear.must_stop else STOPPED
        self.board.set_state(ended.run, ended.state, why.get(ended.state, ended.reason))
        if ended.state != "waiting":
            self._screen.ended(ended.run)
        if ended.state == "complete" and self._place is not None and self._options.race is not None:
            with self._company.turn():
                self._place.leave_out(self._racing.take([ended.run], self._place.waiting))
