"""A tracker that fails, sleeps or hangs: one note, and the run does not mind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from r2po.llm.redaction import Redaction
from r2po.trackers import Ending, Point, Sent, Sink, TrackedRun, Tracker
from r2po.trackers.following import Following
from r2po.trackers.guard import Guarded, Limits

QUICK = Limits(call=0.2, loading=5.0, reaching=0.2, ending=5.0, unsaid=60.0)
LONG = Limits(60.0, 60.0, 60.0, 60.0, 60.0, 60.0)
CALLS = ("open", "sent", "describe", "log", "end", "close")
NONE = Redaction([])


class Troubled(Sink):
    """Does something of its own in one of its calls."""

    def __init__(self, at: str, do: Callable[[], object]) -> None:
        self.at, self.do = at, do
        self.calls: list[str] = []
        self.abandoned = 0

    def opened(self, _: TrackedRun) -> Sink:
        self.take("open")
        return self

    def take(self, call: str) -> None:
        self.calls.append(call)
        if call == self.at:
            self.do()

    def sent(self) -> Sent:
        self.take("sent")
        return Sent()

    def describe(self) -> None:
        self.take("describe")

    def log(self, points: Sequence[Point]) -> None:
        self.take("log")

    def end(self, ending: Ending) -> None:
        self.take("end")

    def close(self, *, complete: bool) -> None:
        self.take("close")

    def abandon(self) -> None:
        self.abandoned += 1


def fail() -> None:
    raise SystemExit("no more")


def follow(run: Path, sink: Troubled, limits: Limits, *, complete: bool = True) -> tuple[list[str], float]:
    """Let a sink follow a run that is complete; return the notes, and how long that took."""
    notes: list[str] = []
    following = Following([Tracker("troubled", sink.opened)], {}, notes.append, limits)
    began = time.monotonic()
    following.begin(run)
    following.look()
    following.finish(complete=complete)
    following.look()
    following.finish(complete=complete)
    return notes, time.monotonic() - began


@pytest.mark.parametrize("at", CALLS)
def test_whatever_a_tracker_raises_becomes_one_note_and_silence(at: str, finished: Path) -> None:
    sink = Troubled(at, fail)
    notes, _ = follow(finished, sink, QUICK)
    assert len(notes) == 1
    assert notes[0].startswith("troubled stopped: SystemExit: no more; the run goes on; ")
    assert sink.calls == list(CALLS[: CALLS.index(at) + 1])


def test_without_trouble_there_is_no_note(finished: Path) -> None:
    sink = Troubled("", fail)
    assert follow(finished, sink, QUICK)[0] == []
    assert sink.calls == list(CALLS)
    assert sink.abandoned == 0


@pytest.mark.parametrize("at", ["sent", "log"])
def test_a_tracker_that_does_not_answer_is_left(at: str, finished: Path) -> None:
    ever = threading.Event()
    sink = Troubled(at, ever.wait)
    notes, _ = follow(finished, sink, QUICK)
    ever.set()
    assert len(notes) == 1
    assert "troubled stopped: it did not answer within 0.2 s" in notes[0]
    assert sink.abandoned == 1
    time.sleep(0.1)
    assert sink.calls[-1] == at  # it stays silent, even if it could go on


def test_a_tracker_that_is_slow_is_left_too(finished: Path) -> None:
    sink = Troubled("log", lambda: time.sleep(0.5))
    notes, _ = follow(finished, sink, QUICK)
    assert len(notes) == 1
    assert "0.2 s" in notes[0]


def test_a_call_that_took_too_long_is_noticed_afterwards_too(finished: Path) -> None:
    """A run may wait for a model meanwhile, and not look."""
    sink = Troubled("log", lambda: time.sleep(0.5))
    guarded = Guarded(Tracker("troubled", sink.opened), finished, NONE, QUICK)
    guarded._thread.join(20)
    assert "TimeoutError: a call took more than 0.2 s" in guarded.look()
    assert sink.calls[-1] == "log"


def test_loading_has_a_limit_of_its_own(finished: Path) -> None:
    sink = Troubled("open", lambda: time.sleep(0.5))
    assert follow(finished, sink, QUICK)[0] == []
    late = Troubled("open", lambda: time.sleep(1.0))
    notes, _ = follow(finished, late, replace(QUICK, loading=0.2))
    assert len(notes) == 1


def test_a_run_waits_no_longer_than_it_should_for_a_long_rest(finished: Path) -> None:
    sink = Troubled("close", lambda: time.sleep(60))
    notes, took_s = follow(finished, sink, replace(LONG, ending=0.3))
    assert len(notes) == 1
    assert took_s < 30


@pytest.mark.parametrize(("complete", "limits"), [(True, "ending"), (False, "stopped")])
def test_the_end_of_a_run_waits_a_little_for_a_tracker_that_hangs_while_loading(
    finished: Path, limits: str, *, complete: bool
) -> None:
    ever = threading.Event()
    sink = Troubled("open", ever.wait)
    notes, took_s = follow(finished, sink, replace(LONG, **{limits: 0.2}), complete=complete)
    ever.set()
    assert len(notes) == 1
    assert notes[0].startswith("troubled stopped: it was still loading 0.2 s after the run; ")
    assert took_s < 30


def test_trackers_that_hang_are_waited_for_together_and_the_screen_says_so(finished: Path) -> None:
    ever = threading.Event()
    notes = list[str]()
    trackers = [Tracker(f"t{number}", Troubled("log", ever.wait).opened) for number in range(20)]
    following = Following(trackers, {}, notes.append, replace(LONG, ending=0.5, unsaid=0.0))
    following.begin(finished)
    began = time.monotonic()
    following.finish(complete=True)
    ever.set()
    assert time.monotonic() - began < 8  # one after the other, 10 s
    assert notes[0].startswith("waiting for t0 and t1 and ")
    assert notes[0].endswith("t19, at most 0.5 s")
    assert ["0.5 s after the run; " in note for note in notes] == [False, *[True] * 20]


def test_whoever_interrupts_the_wait_waits_no_longer(finished: Path) -> None:
    ever = threading.Event()
    sink = Troubled("close", ever.wait)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    following = Following([Tracker("troubled", sink.opened)], {}, interrupt, replace(LONG, unsaid=0.0))
    following.begin(finished)
    with pytest.raises(KeyboardInterrupt):
        following.finish(complete=False)
    ever.set()
    assert sink.abandoned == 1


def test_a_run_is_never_held_up_before_its_end(finished: Path) -> None:
    ever = threading.Event()
    sink = Troubled("log", ever.wait)
    guarded = Guarded(Tracker("troubled", sink.opened), finished, NONE, LONG)
    began = time.monotonic()
    for _ in range(1000):
        assert guarded.look() == ""
    assert time.monotonic() - began < 30
    ever.set()
    guarded.send_all()
    assert guarded.problem == ""


def test_one_tracker_does_not_trouble_another(finished: Path) -> None:
    notes = list[str]()
    good, bad = Troubled("", fail), Troubled("log", fail)
    following = Following([Tracker("bad", bad.opened), Tracker("good", good.opened)], {}, notes.append, QUICK)
    following.begin(finished)
    following.finish(complete=True)
    assert good.calls == list(CALLS)
    assert [note.split()[0] for note in notes] == ["bad"]
