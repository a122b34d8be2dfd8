"""From a request to complete runs: what is missing is started, what is half done resumed, what is complete skipped."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from r2po.config import Config
from r2po.errors import InputError, RunStopped
from r2po.experiment.resolve import by_model, provider_of
from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.runlog import RunDirectory
from r2po.sweep.board import Board
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.from_logs import from_result, read_progress, read_usage
from r2po.sweep.manifest import Manifest
from r2po.sweep.memory import available_bytes, cores, fitting_runs
from r2po.sweep.messages import Ended, Note, Progress, Verdict
from r2po.sweep.plan import Item, Request, check_runs, plan
from r2po.sweep.pool import Pool
from r2po.sweep.ray_backend import RayBackend, require_ray
from r2po.sweep.screen import Quiet, Screen, make_screen

MOST_NAMED = 8
RESULT = "result.json"


@dataclass(frozen=True)
class Options:
    """How a sweep is run, which changes nothing in its results.

    Attributes:
        name: Name of the sweep's folder; None for one made from the request.
        jobs: Largest number of runs under way; None for as many as fit into the memory.
        caps: Limits on all runs together.
        ray: Address of a Ray cluster; None for this machine.
        cpus_per_run: Cores that Ray sets aside for a run.
        quiet: Whether to print nothing but errors.
    """

    name: str | None = None
    jobs: int | None = None
    caps: Caps = field(default_factory=Caps)
    ray: str | None = None
    cpus_per_run: float = 0.25
    quiet: bool = False


class SweepStopped(RunStopped):
    """Some runs are not complete.

    Attributes:
        setting: An option that would let the sweep go on, if a cap stopped it.
    """

    def __init__(self, reason: str, setting: str = "") -> None:
        super().__init__(reason)
        self.setting = setting


class Sweep:
    """A sweep, ready to be run.

    Args:
        request: Which runs.
        options: How.
        environ: Environment variables with keys and base URLs.

    Raises:
        InputError: Something given cannot be used; no run is started.
    """

    def __init__(self, request: Request, options: Options, environ: Mapping[str, str]) -> None:
        self._options = options
        self._notes: list[str] = []
        self.items = plan(request, self._note_before)
        _check_prices(self.items, options.caps)
        self._errors = check_runs(self.items)
        if options.ray is not None:
            require_ray()
        usable = [(index, item) for index, item in enumerate(self.items) if index not in self._errors]
        self._damaged = [item.path / RESULT for _, item in usable if _has_damaged_result(item)]
        self._todo = [index for index, item in usable if not _is_complete(item)]
        _first_contacts([self.items[index].config for index in self._todo], environ)
        used = self._used_before()
        self.manifest = Manifest.open(options.name or request.name, self.items, self._note_before)
        self.board = Board(
            [run["run"] for run in self.manifest.runs],
            [read_progress(index, item.path, item.config.num_iterations or 0) for index, item in enumerate(self.items)],
        )
        self._coordinator = Coordinator(Ledger(options.caps, used))
        self._screen: Screen = Quiet()
        self._capped: set[int] = set()
        self._over: set[int] = set()
        self._elsewhere: dict[int, str] = {}
        self._said: set[str] = set()
        self._reached: Verdict | None = None

    def run(self) -> None:
        """Make all runs that are not complete.

        Raises:
            SweepStopped: Some runs failed, or a cap was reached.
        """
        self._screen = make_screen(self.board, quiet=self._options.quiet)
        try:
            self._say_what_begins()
            for index, reason in sorted(self._errors.items()):
                self._ended(Ended(index, reason))
            self._set_aside_damaged_results()
            if self._todo:
                self._run_on_ray() if self._options.ray else self._run_here()
        finally:
            self._screen.close()
            self.manifest.close()
        if self._errors or self._capped or self._elsewhere:
            raise self._stopped()

    def _run_here(self) -> None:
        workers = min(cores(), len(self._todo))
        fitting = fitting_runs(workers, available_bytes())
        jobs = min(self._options.jobs or len(self._todo), fitting, len(self._todo))
        if (self._options.jobs or 0) > fitting:
            self._note(f"--jobs {self._options.jobs}: {fitting} runs fit into the memory that is free")
        Pool(
            self._coordinator,
            workers=min(workers, jobs),
            jobs=jobs,
            on_progress=self._progress,
            on_end=self._ended,
            on_note=self._run_note,
            on_crash=self._note,
            on_tick=self._tick,
        ).run(self.items[index].task(index) for index in self._todo)

    def _run_on_ray(self) -> None:
        assert self._options.ray is not None
        RayBackend(
            self._coordinator,
            address=self._options.ray,
            cpus_per_run=self._options.cpus_per_run,
            jobs=self._options.jobs,
            on_progress=self._progress,
            on_end=self._ended,
            on_note=self._run_note,
            on_tick=self._screen.tick,
            on_news=self._news,
        ).run([self.items[index].task(index) for index in self._todo])

    def _used_before(self) -> Amount:
        if not self._options.caps.any:
            return Amount()
        return sum((_usage(item) for item in self.items), Amount())

    def _say_what_begins(self) -> None:
        complete = len(self.items) - len(self._todo) - len(self._errors)
        begun = sum(self.items[index].directory is not None for index in self._todo)
        new = len(self._todo) - begun
        damaged = f", {len(self._errors)} damaged" if self._errors else ""
        self._note(f"sweep of {len(self.items)} runs: {complete} complete, {begun} to resume, {new} to start{damaged}")
        self._note(f"manifest: {self.manifest.folder}")
        models = {each.llm_model_name or "" for item in self.items for each in by_model(item.config).values()}
        if any(name.startswith("embedded/") for name in models):
            self._note("embedded stand-in: no language model answers; these results say nothing about any model")
        for text in self._notes:
            self._note(text)

    def _set_aside_damaged_results(self) -> None:
        """Resuming a run without its result makes it again, from the logs."""
        for path in self._damaged:
            with suppress(FileNotFoundError):  # another sweep did
                path.rename(path.with_name(f"{RESULT}.damaged"))
            self._note(f"{path} is damaged: kept as {RESULT}.damaged, made again from the logs")

    def _note_before(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _note(self, text: str) -> None:
        self._screen.note(text)

    def _run_note(self, note: Note) -> None:
        """Print what a run says, if no other has said it: a thousand runs of one config say the same."""
        if note.text not in self._said:
            self._said.add(note.text)
            self._note(f"{self.board.names[note.run]}: {note.text}")

    def _tick(self) -> None:
        self._news(self._coordinator.paces(time.monotonic()), self._coordinator.reached)
        self._screen.tick()

    def _news(self, paces: dict[str, float], reached: Verdict | None) -> None:
        self.board.throttled.update(paces)
        self._reached = reached

    def _progress(self, progress: Progress) -> None:
        if progress.run in self._over:  # over Ray, news may come after the end: its counts hold, its state does not
            known = self.board.runs[progress.run]
            progress = replace(progress, state=known.state, now=known.now)
        self.board.update(progress)

    def _ended(self, ended: Ended) -> None:
        self._over.add(ended.run)
        if ended.capped:
            self._capped.add(ended.run)
            self.board.set_state(ended.run, "waiting", "a cap of the sweep is reached")
            return
        if ended.elsewhere:
            self._elsewhere[ended.run] = ended.error
            self.board.set_state(ended.run, "running", "by another process")
            self._screen.ended(ended.run)
            return
        self.board.set_state(ended.run, "failed" if ended.error else "complete", ended.error)
        if ended.error:
            self._errors[ended.run] = ended.error
            self.manifest.fail(ended.run, ended.error)
        self._screen.ended(ended.run)

    def _stopped(self) -> SweepStopped:
        reached = (self._reached or self._coordinator.reached) if self._capped else None
        parts = [f"{reached.reached} by the sweep"] if reached else []
        if self._errors:
            parts.append(
                f"{len(self._errors)} of {len(self.items)} runs failed:{_grouped(self._errors, self.board.names)}"
            )
        if self._elsewhere:
            held = _grouped(self._elsewhere, self.board.names)
            parts.append(f"{len(self._elsewhere)} of {len(self.items)} runs are not this sweep's to make now:{held}")
        return SweepStopped("; ".join(parts), reached.setting if reached else "")


def _grouped(errors: Mapping[int, str], names: Sequence[str]) -> str:
    """Say what failed, each reason once."""
    runs: dict[str, list[str]] = defaultdict(list)
    for run, reason in sorted(errors.items()):
        runs[reason].append(names[run])
    parts = []
    for reason, failed in runs.items():
        more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        parts.append(f"\n  {', '.join(failed[:MOST_NAMED])}{more}: {reason}")
    return "".join(parts)


def _usage(item: Item) -> Amount:
    """Return what a run has used: its result knows too, if its log is damaged."""
    try:
        return read_usage(item.path, lambda role: item.config.for_role(role).prices)
    except InputError as error:
        known = read_progress(0, item.path, 0)
        if known.state != "complete":
            raise InputError(f"{error}: no cap can be kept, as what this run has used is not known") from None
        counts = RunDirectory(item.path).read_result()["tokens"].values()
        said = all(count is not None for role in counts for count in (role["prompt_tokens"], role["completion_tokens"]))
        return Amount(known.calls, known.tokens if said else None, known.cost)


def _is_complete(item: Item) -> bool:
    directory = item.directory
    return directory is not None and directory.is_complete and not _has_damaged_result(item)


def _has_damaged_result(item: Item) -> bool:
    directory = item.directory
    if directory is None or not directory.is_complete:
        return False
    try:
        from_result(0, directory, directory.read_result())
    except InputError:
        return True
    return False


def _check_prices(items: Sequence[Item], caps: Caps) -> None:
    for item in items if caps.max_cost is not None else ():
        missing = item.config.missing_prices
        if missing:
            raise InputError(f"--max-cost needs {missing}.input and {missing}.output; {item.source} has none")


def _first_contacts(configs: Sequence[Config], environ: Mapping[str, str]) -> None:
    """Make the first contact with each model once for all runs."""
    models = {(each.llm_model_name, each.num_ctx): each for config in configs for each in by_model(config).values()}
    for config in models.values():
        provider_of(config, environ).check()
