"""A run on a copy of its directory: what the machine of the command has of it, whenever the node is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from r2po.commands.track import send_runs
from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment import launch
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import Reply, Request
from r2po.runlog import RunDirectory, mirror
from r2po.runlog.batched import note_batches
from r2po.runlog.events import Replied, Requested, read_events
from r2po.runlog.intact import check_files
from r2po.runlog.lock import Lock
from r2po.runlog.mirror import mirrored
from r2po.sweep.cluster import copying
from r2po.sweep.cluster.carrying import Piece, Refused, answered
from r2po.sweep.cluster.copying import make_copied_run
from r2po.sweep.cluster.needs import needs_of
from r2po.sweep.cluster.receiver import Receiver
from r2po.sweep.cluster.workplace import Workplace
from r2po.sweep.messages import AttemptOutcome, Ended, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from r2po.sweep.runner import make_run
from tests.process.processes import NIM, logged, write_config
from tests.trackers.recorder import points

VALUES: Mapping[str, Any] = {
    **NIM,
    "gym_env_name": "CartPole-v1",
    "method": "props",
    "llm_model_name": "embedded/search",
    "num_iterations": 3,
    "num_evaluation_episodes": 2,
    "warmup_episodes": 2,
    "heldout_episodes": 2,
    "keep_trajectories": "all",
}


class Killed(BaseException):
    """The node is gone."""


class Line:
    """Connects a run to a coordinator that grants everything, and keeps what is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        return Verdict(ask.run)

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        if isinstance(message, Note):
            self.notes.append(message.text)


class Machines:
    """The machine of the command, and a node that has a folder of its own.

    Attributes:
        left: How many writes the node makes before it is lost; None for any number.
        arrives: Whether the last of them arrives.
        alter: Changes what is written on its way.
    """

    def __init__(self, home: Path, node: Path, run: PlannedRun) -> None:
        self.loan = 0
        self.left: int | None = None
        self.arrives = False
        self.alter: Callable[[Piece], Piece] = lambda piece: piece
        self.line = Line()
        self._home, self._run = home, run
        (home / "token").touch()
        self.receiver = Receiver(str(home / "token"), needs_of([run]))
        self.workplace = Workplace(self.ask, node)

    def ask(self, method: str, *args: Any) -> Any:
        if method == "write":
            args = (self.alter(args[0]),)
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    if self.arrives:
                        self._do(method, *args)
                    raise Killed
        return answered(self._do(method, *args))

    def _do(self, method: str, *args: Any) -> Any:
        """Do it on the machine of the command, whose working directory is another one, and whose runs are no copies."""
        before = Path.cwd()
        os.chdir(self._home)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(mirror, "_mirrors", {})
                return getattr(self.receiver, method)(*args)
        finally:
            os.chdir(before)

    def close(self) -> None:
        self.forget()
        self.workplace.close()

    def make(self) -> Ended:
        self.loan += 1
        return make_copied_run(self._run, self.loan, {}, self.line, self.ask, self.workplace, 0.0)

    def forget(self) -> None:
        self.receiver.forget(self._run.index, self.loan)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "node").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def planned(logdir: str, **changes: Any) -> PlannedRun:
    return plan(SweepRequest([write_config(Path(), {**VALUES, **changes, "logdir": logdir}).name], [], [1]))[0]


@pytest.fixture(params=["relative", "absolute"])
def run(request: pytest.FixtureRequest, home: Path) -> PlannedRun:
    return planned("logs/far" if request.param == "relative" else str(home / "logs/far"))


@pytest.fixture
def machines(run: PlannedRun, home: Path) -> Iterator[Machines]:
    with closing(Machines(home, home.parent / "node", run)) as both:
        yield both


def written(run: Path) -> dict[str, Any]:
    """Return what a run wrote, but for times and its log directory, and its attempts at calls that were cut off."""
    log = logged(run)
    del log["run.yaml"]["config"]["logdir"]
    log["llm_calls.jsonl"] = [event["text"] for event in log["llm_calls.jsonl"] if event["event"] == "reply"]
    return log


@pytest.fixture
def calm(home: Path) -> dict[str, Any]:
    """Return what the run writes where it sees its directory."""
    there = planned("logs/calm")
    assert make_run(there, {}, Line()).state == "complete"
    assert home.is_dir()
    return written(there.path)


def watch_calls(run: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Check before each call that its request is on record on the machine of the command, and its reply is not."""
    calls: list[str] = []
    complete = EmbeddedSearch.complete

    def watched(self: EmbeddedSearch, request: Request) -> Reply:
        events = [*read_events(run / "llm_calls.jsonl")]
        assert (request.key, request.iteration) in [
            (event.key, event.iteration) for event in events if isinstance(event, Requested)
        ]
        assert (request.key, request.iteration) not in [
            (event.request.key, event.request.iteration) for event in events if isinstance(event, Replied)
        ]
        calls.append(request.key)
        return complete(self, request)

    monkeypatch.setattr(EmbeddedSearch, "complete", watched)
    return calls


def test_a_run_on_a_copy_writes_what_it_writes_on_a_shared_disk(
    machines: Machines, run: PlannedRun, home: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / run.path
    copied: dict[str, bytes] = {}
    monkeypatch.setattr(copying, "pieces", lambda data: parts(data, 100))

    @contextmanager
    def watched(folder: Path, mirror: mirror.Mirror) -> Iterator[None]:
        with mirrored(folder, mirror):
            yield
        copied.update(content(folder))

    monkeypatch.setattr(copying, "mirrored", watched)
    calls = watch_calls(path, monkeypatch)
    assert machines.make() == Ended(run.index)
    assert content(path) == copied != {}
    assert written(path) == calm
    assert check_files(RunDirectory(path)) == []
    assert len(calls) == len(calm["llm_calls.jsonl"])
    Lock(path / ".lock").close()
    assert [*(home.parent / "node").rglob("run_1")] == []


def test_a_log_directory_that_goes_up_beyond_the_root_is_not_that_of_the_node(home: Path) -> None:
    run = planned("../" * 40 + str(home / "logs/far").lstrip("/"))
    with closing(Machines(home, home.parent / "node", run)) as machines:
        assert machines.make() == Ended(run.index)
        (home / run.path / "result.json").unlink()
        assert machines.make() == Ended(run.index)
    assert check_files(RunDirectory(home / run.path)) == []
    assert (home / run.path / "result.json").is_file()


def test_logs_without_a_line_come_back_too(home: Path) -> None:
    calm, far = (planned(f"logs/{name}", method="random_search", warmup_episodes=0) for name in ("calm", "far"))
    assert make_run(calm, {}, Line()).state == "complete"
    with closing(Machines(home, home.parent / "node", far)) as machines:
        assert machines.make().state == "complete"
    assert (home / calm.path / "llm_calls.jsonl").read_bytes() == b""
    assert content(home / far.path).keys() == content(home / calm.path).keys()


def parts(data: bytes, size: int) -> list[tuple[int, bytes, bool]]:
    return [(start, data[start : start + size], start + size < len(data)) for start in range(0, len(data), size)]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("arrives", [False, True])
def test_lost_at_any_write_a_run_continues_and_no_recorded_reply_is_asked_for_again(
    machines: Machines,
    run: PlannedRun,
    home: Path,
    calm: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    arrives: bool,
) -> None:
    path = home / run.path
    calls = watch_calls(path, monkeypatch)
    machines.arrives = arrives
    for losses in range(100):
        machines.left = losses % 5
        try:
            assert machines.make().state == "complete"
            break
        except Killed:
            machines.forget()
    assert losses > 4
    assert written(path) == calm
    assert check_files(RunDirectory(path)) == []
    assert len(calls) <= len(calm["llm_calls.jsonl"]) + losses
    assert [*(home.parent / "node").rglob("run_1")] == []


def test_what_an_earlier_node_still_sends_is_refused(
    machines: Machines, run: PlannedRun, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for lost, and is not: the run has gone on elsewhere by now."""
    calls = watch_calls(home / run.path, monkeypatch)
    here = content(home)

    def stolen(piece: Piece) -> Piece:
        if piece.name == "llm_calls.jsonl":
            machines.alter = lambda piece: piece
            machines.loan += 1
            answered(machines._do("lend", run, machines.loan))
            here.update(content(home))
        return piece

    machines.alter = stolen
    ended = machines.make()
    assert (ended.state, ended.reason) == ("running", "this run was given to another node by now")
    assert calls == []
    assert content(home) == here
    machines.forget()
    assert machines.make().state == "complete"


def test_to_forget_an_old_loan_does_not_end_the_new_one(machines: Machines, run: PlannedRun, home: Path) -> None:
    machines.ask("lend", run, 1)
    machines.ask("lend", run, 2)
    machines.loan = 2
    machines.receiver.forget(run.index, 1)
    machines.ask("write", Piece(run.index, 2, "run.yaml", 1, 0, b"x", more=False, anew=True, sync=True))
    assert (home / run.path / "run.yaml").read_bytes() == b"x"
    with pytest.raises(OSError, match="was given to another node by now"):  # what is late must not end it either
        machines.ask("lend", run, 1)
    machines.receiver.forget(run.index, 2)
    with pytest.raises(OSError, match="was given to another node by now"):
        machines.ask("lend", run, 2)
    Lock(home / run.path / ".lock").close()


@pytest.mark.parametrize("arrives", ["before", "after"])
def test_what_is_asked_again_since_the_answer_was_lost_is_done_once(
    machines: Machines, run: PlannedRun, home: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch, arrives: str
) -> None:
    """The first of two may also arrive late, when others have been written since."""
    ask, late = machines.ask, list[tuple[Any, ...]]()

    def twice(method: str, *args: Any) -> Any:
        if method == "needs":
            return ask(method)
        late.append((method, *args))
        if arrives == "before" or len(late) > 3:
            machines._do(*late.pop(0))
        return ask(method, *args)

    monkeypatch.setattr(copying, "pieces", lambda data: parts(data, 1000))
    monkeypatch.setattr(machines, "ask", twice)
    assert machines.make() == Ended(run.index)
    assert written(home / run.path) == calm
    assert check_files(RunDirectory(home / run.path)) == []


def test_a_loan_that_ends_while_the_copy_is_made_is_no_fault_of_the_run(
    machines: Machines, run: PlannedRun, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machines.make().state == "complete"
    before = content(home)
    read = machines.receiver.read

    def too_late(*args: Any) -> Any:
        machines.forget()
        return read(*args)

    monkeypatch.setattr(machines.receiver, "read", too_late)
    assert machines.make() == Ended(run.index, "running", "this run was given to another node by now")
    assert content(home) == before


def test_why_a_run_never_began_is_told_if_its_removal_cannot_be(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines.receiver, "write", lambda _: Refused("the disk is full"))
    monkeypatch.setattr(machines.receiver, "remove", lambda *_: Refused("the disk does not answer"))
    ended = machines.make()
    assert ended.state == "failed"
    assert "the disk is full" in ended.reason


def test_a_disk_that_is_full_there_ends_the_run_before_a_call(
    machines: Machines, run: PlannedRun, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = watch_calls(home / run.path, monkeypatch)
    monkeypatch.setattr(machines.receiver, "write", lambda _: Refused("the disk is full"))
    ended = machines.make()
    assert ended.state == "failed"
    assert "the disk is full" in ended.reason
    assert str(home.parent / "node") not in ended.reason
    assert calls == []
    assert not (home / run.path).exists()


def test_a_run_that_somebody_has_is_waited_for_and_then_left(machines: Machines, run: PlannedRun, home: Path) -> None:
    path = RunDirectory.create(home / "logs/far", 1).path
    lock = Lock(path / ".lock")
    ended = machines.make()
    assert (ended.state, ended.reason) == ("running", f"{run.path} is being run by another process")
    lock.close()
    assert machines.make().state == "complete"


def test_a_damaged_run_is_named_as_it_is_called_there(machines: Machines, run: PlannedRun, home: Path) -> None:
    assert machines.make().state == "complete"
    (home / run.path / "result.json").unlink()
    log = home / run.path / "iterations.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"reward"', b'"award"', 1))
    before = content(home)
    ended = machines.make()
    assert ended.state == "failed"
    assert f"{run.path}/iterations.jsonl, line 1" in ended.reason
    assert str(home.parent / "node") not in ended.reason
    assert content(home) == before


def test_calls_under_way_in_a_batch_are_not_made_on_a_node(machines: Machines, run: PlannedRun, home: Path) -> None:
    path = RunDirectory.create(home / "logs/far", 1).path
    batch = home / "logs/sweep/r2po-1"
    batch.mkdir(parents=True)
    (batch / "state.json").write_text('{"state": "sent"}')
    (batch / "calls.jsonl").write_text('{"run": "far/run_1"}\n')
    note_batches(path, batch.parent, "far/run_1")
    ended = machines.make()
    assert ended.state == "failed"
    assert "are under way in batch r2po-1" in ended.reason
    Lock(path / ".lock").close()


def test_runs_of_another_protocol_beside_it_are_named_by_whoever_has_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = planned("logs/far", protocol="controlled")
    assert make_run(other, {}, Line()).state == "complete"
    run = plan(SweepRequest([write_config(Path(), {**VALUES, "logdir": str(home / "logs/far")}).name], [], [2]))[0]

    def unreadable(config: Config, _observer: object) -> None:
        raise InputError(f"cannot read {config.logdir!r}: Permission denied")

    monkeypatch.setattr(launch, "name_other_protocols", unreadable)
    with closing(Machines(home, home.parent / "node", run)) as machines:
        assert machines.make().state == "complete"
    assert len([note for note in machines.line.notes if "was made under protocol" in note]) == 1


@pytest.mark.parametrize("absolute", [False, True])
def test_trackers_do_not_follow_a_copy_and_a_note_says_how_it_is_sent(home: Path, *, absolute: bool) -> None:
    logdir = str(home / "logs/far") if absolute else "logs/far"
    run = planned(logdir, track=["recorder"])
    later = f"r2po track {logdir} --to recorder"
    with closing(Machines(home, home.parent / "node", run)) as machines:
        for _ in range(2):  # the second time, it is complete
            machines.line.notes.clear()
            assert machines.make().state == "complete"
            (note,) = [each for each in machines.line.notes if each.startswith("no tracker")]
            assert note == f"no tracker follows runs on nodes that do not see the logs; `{later}` sends them afterwards"
    assert [*home.parent.rglob("*.recorded")] == []
    assert list(send_runs([logdir], ["recorder"], {}, print)) == [
        f"{home / run.path} to recorder: 3 iterations and its ending"
    ]
    assert len(points(home / run.path)) == 3
