"""From a request to complete runs: what is missing is started, what is half done resumed, what is complete skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from r2po import cores
from r2po.errors import InputError, RunStopped
from r2po.experiment.resolve import by_model, contact, provider_of
from r2po.llm.ledger import Amount, Caps
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.runlog.condition import condition_of
from r2po.sweep.board import Board
from r2po.sweep.claims import ClaimingPool
from r2po.sweep.company import Company, where_they_stand
from r2po.sweep.descriptors import fitting, needed, raise_limit
from r2po.sweep.endings import grouped, with_remedy
from r2po.sweep.from_logs import read_usage
from r2po.sweep.manifest import place_of
from r2po.sweep.messages import Ended, Note, Progress, Verdict
from r2po.sweep.plan import PlannedRun, SweepRequest, check_runs, plan
from r2po.sweep.pool import Pool, fitting_runs
from r2po.sweep.ray_backend import RayBackend, require_ray
from r2po.sweep.screen import SweepScreen, make_screen

RESULT = "result.json"
STOPPED = {"waiting": "a cap is reached", "running": "by another process"}
"""Why a run stopped that is neither complete nor failed, by its state."""


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run, which changes nothing in its results.

    Attributes:
        name: Name of the sweep's folder; None for one made from the request.
        jobs: Largest number of runs under way; None for as many as surely fit into the memory.
        caps: Limits on all runs together.
        each: Limits on the runs of each experiment.
        worker: Whether this is one of several processes that divide the runs among them, and end when all are over.
        ray: Address of a Ray cluster; None for this machine.
        cpus_per_run: Cores that Ray sets aside for a run.
        quiet: Whether to print nothing but errors.
    """

    name: str | None = None
    jobs: int | None = None
    caps: Caps = field(default_factory=Caps)
    each: Caps = field(default_factory=Caps)
    worker: bool = False
    ray: str | None = None
    cpus_per_run: float = 0.25
    quiet: bool = False


class SweepStopped(RunStopped):
    """Some runs are not complete; if a cap stopped them, ``setting`` is an option that lets the sweep continue."""

    def __init__(self, reason: str, setting: str = "") -> None:
        super().__init__(reason)
        self.setting = setting


class Sweep:
    """A sweep, ready to be run; ``environ`` holds keys and base URLs.

    Raises:
        InputError: Something given cannot be used; no run is started.
    """

    def __init__(self, request: SweepRequest, options: SweepOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        self._notes: list[str] = []
        self.runs = _counted(plan(request, self._note_before), options.caps, options.each)
        _check_prices(self.runs, {"--max-cost": options.caps, "--max-cost-each": options.each})
        check_runs(self.runs)
        if options.ray is not None:
            require_ray()
        known = where_they_stand(place_of(options.name or request.name, self.runs), self.runs)
        damaged = {
            each.run: condition_of(RunDirectory(self.runs[each.run].path)) for each in known if each.state == "damaged"
        }
        self._rebuilt = [run for run, condition in damaged.items() if condition.mends_itself]
        self._damaged = {run: condition for run, condition in damaged.items() if not condition.mends_itself}
        settled = self._damaged.keys() | {each.run for each in known if each.state == "complete"}
        self._todo = [run for run in self.runs if run.index not in settled]
        self._todo = _after_first_contacts(self._todo, environ)
        self._company = Company(
            options.name or request.name,
            self.runs,
            request,
            self._note_before,
            worker=options.worker,
            caps=options.caps,
            each=options.each,
            alone=options.ray is not None,
            usage=partial(_usage_of, self.runs, known),
        )
        self.manifest = self._company.manifest
        self.board = Board([run["run"] for run in self.manifest.runs], known)
        self._screen = SweepScreen()
        self._endings: dict[int, Ended] = {}
        self._said: set[str] = set()
        self._reached: Verdict | None = None

    def run(self) -> None:
        """Make all runs that are not complete.

        Raises:
            SweepStopped: Some runs failed or are damaged, or a cap was reached.
        """
        self._screen = make_screen(self.board, quiet=self._options.quiet)
        try:
            self._say_what_begins()
            for index, condition in sorted(self._damaged.items()):
                self.hear(Ended(index, "damaged", with_remedy(condition)))
            self._set_aside_damaged_results()
            if self._todo:
                self._backend().run(self._todo)
        finally:
            self._screen.close()
            self._company.leave()
        if any(ended.state != "complete" for ended in self._endings.values()):
            raise self._stopped()

    def _backend(self) -> Pool | RayBackend:
        options = self._options
        if options.ray is not None:
            return RayBackend(
                self._company.coordinator,
                self,
                address=options.ray,
                cpus_per_run=options.cpus_per_run,
                jobs=options.jobs,
            )
        workers = min(cores.available(), len(self._todo))
        jobs = self._jobs(workers)
        claims = self._company.divide(self)
        return ClaimingPool(self._company.coordinator, self, claims, workers=min(workers, jobs), jobs=jobs)

    def _jobs(self, workers: int) -> int:
        """Return how many runs are under way at once, and say what limits them."""
        in_memory, runs = fitting_runs(workers), len(self._todo)
        jobs = min(self._options.jobs or in_memory, runs)
        if jobs > in_memory:
            self._screen.note(
                f"--jobs {self._options.jobs}: more than the {in_memory} runs that surely fit into memory"
            )
        configs = [run.config for run in self._todo]
        open_files = raise_limit(needed(configs, jobs, min(workers, jobs)))
        fit = fitting(configs, min(workers, jobs), open_files)
        if jobs > fit:
            which = f"{open_files} open files are allowed to a process"
            self._screen.note(f"{fit} of {jobs} runs at once: {which}; ulimit -Hn raises that")
        return min(jobs, fit)

    def _say_what_begins(self) -> None:
        complete = len(self.runs) - len(self._todo) - len(self._damaged)
        begun = sum(run.directory is not None for run in self._todo) - len(self._rebuilt)
        new = len(self._todo) - begun - len(self._rebuilt)
        rebuilt = f" (the results of {len(self._rebuilt)} are made anew)" if self._rebuilt else ""
        damaged = len(self._damaged) + len(self._rebuilt)
        damaged_text = f", {damaged} damaged{rebuilt}" if damaged else ""
        say = self._screen.note
        say(f"sweep of {len(self.runs)} runs: {complete} complete, {begun} to resume, {new} to start{damaged_text}")
        say(f"manifest: {self.manifest.folder}")
        models = {each.llm_model_name or "" for run in self.runs for each in by_model(run.config).values()}
        if any(name.startswith("embedded/") for name in models):
            say("embedded stand-in: no language model answers; these results say nothing about any model")
        for text in self._notes:
            say(text)

    def _set_aside_damaged_results(self) -> None:
        """Resuming a run without its result rebuilds it from the logs."""
        with self._company.turn():
            for path in (self.runs[run].path / RESULT for run in self._rebuilt):
                if not condition_of(RunDirectory(path.parent)).mends_itself:
                    continue  # another process has seen to it
                with suppress(FileNotFoundError):  # another sweep did
                    path.rename(path.with_name(f"{RESULT}.damaged"))
                self._screen.note(f"{path} is damaged: kept as {RESULT}.damaged and rebuilt from the logs")

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

    def tick(self, paces: Mapping[str, float], reached: Verdict | None) -> None:
        """Show how far all runs are."""
        self.board.throttled.update(paces)
        self._reached = reached
        self._screen.tick()

    def _note(self, note: Note) -> None:
        """Print what a run says, if no other has said it: a thousand runs of one config say the same."""
        if note.run is None:
            self._screen.note(note.text)
        elif note.text not in self._said:
            self._said.add(note.text)
            self._screen.note(f"{self.board.names[note.run]}: {note.text}")

    def _end(self, ended: Ended) -> None:
        if not self._company.accepts(ended):
            self.board.set_state(ended.run, "waiting", "another process has it")
            return
        self._endings[ended.run] = ended
        self.board.set_state(ended.run, ended.state, STOPPED.get(ended.state, ended.reason))
        if ended.state == "failed":
            self._company.fail(ended)
        if ended.state != "waiting":
            self._screen.ended(ended.run)

    def _stopped(self) -> SweepStopped:
        parts, setting = [], ""
        if self._reasons("waiting") and self._reached is not None:
            parts, setting = [self._reached.reached], self._reached.setting
        for state, what in (
            ("failed", "failed"),
            ("damaged", "are damaged"),
            ("running", "are held by other processes"),
        ):
            reasons = self._reasons(state)
            if reasons:
                parts.append(f"{len(reasons)} of {len(self.runs)} runs {what}:{grouped(reasons, self.board.names)}")
        return SweepStopped("; ".join(parts), setting)

    def _reasons(self, state: str) -> dict[int, str]:
        return {run: ended.reason for run, ended in self._endings.items() if ended.state == state}


def _usage_of(runs: Sequence[PlannedRun], known: Sequence[Progress], number: int) -> Amount:
    """Return what one of the runs has used; Ray sends this to another process, so it is no function within another."""
    return _usage(runs[number], known[number])


def _usage(run: PlannedRun, known: Progress) -> Amount:
    """Return what a run has used: its result knows too, if its log is damaged."""
    try:
        return read_usage(run.path, lambda role: run.config.for_role(role).known_prices)
    except InputError as error:
        if known.state != "complete":
            raise InputError(f"{error}: no cap can be enforced, as it is not known what this run has used") from None
        counts = RunDirectory(run.path).read_result()["tokens"].values()
        said = all(count is not None for role in counts for count in (role["prompt_tokens"], role["completion_tokens"]))
        return Amount(known.calls, known.tokens if said else None, known.cost)


def _check_prices(runs: Sequence[PlannedRun], options: Mapping[str, Caps]) -> None:
    given = [option for option, caps in options.items() if caps.max_cost is not None]
    for run in runs if given else ():
        missing = run.config.missing_prices
        if missing and METHODS[run.config.method].asks_model:
            raise InputError(f"{given[0]} needs {missing}.input and {missing}.output; {run.source} has none")


def _counted(runs: Sequence[PlannedRun], *all_caps: Caps) -> list[PlannedRun]:
    """Return the runs; under a cap that counts tokens, they stream only from the providers' own servers."""
    counts = any(caps.max_tokens is not None or caps.max_cost is not None for caps in all_caps)
    changed = {"llm_streaming": "own"}
    return [
        replace(run, config=run.config.model_copy(update=changed)) if counts and run.config.llm_streaming else run
        for run in runs
    ]


def _after_first_contacts(runs: Sequence[PlannedRun], environ: Mapping[str, str]) -> list[PlannedRun]:
    """Make the first contact with each model once for all runs; return the runs with what the servers told."""
    asked = {run.index: by_model(run.config) for run in runs}
    configs = {contact(config): config for roles in asked.values() for config in roles.values()}
    providers = {key: provider_of(config, environ) for key, config in configs.items()}  # all, before any is contacted
    for provider in providers.values():
        provider.check()
    told = {key: provider.identity for key, provider in providers.items()}
    return [
        replace(run, identities={role: told[contact(config)] for role, config in asked[run.index].items()})
        for run in runs
    ]
