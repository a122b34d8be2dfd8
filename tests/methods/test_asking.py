"""Several samples asked for at once: nothing that is used or recorded depends on which reply comes first."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import RunStopped, UnusableReply
from r2po.llm.client import CallFailed
from r2po.llm.types import AttemptFailed, Provider, Question, Received, Reply, Request, T
from r2po.methods import METHODS, Step
from r2po.methods.asking import run_together
from r2po.prompts import search_prompt
from r2po.runlog import RunDirectory
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from r2po.trial import Candidate
from tests.builders import make_brief, make_rollouts, open_client, register
from tests.methods.one_iteration import BRIEF
from tests.texts import Killed, Writer, make_text_config, moves, run_texts

COUNT = 4
ORDERS = ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1])
__all__ = ["moves"]


def best_of_many(step: Step) -> Candidate:
    """Several samples of one prompt; the best is kept, of equals the first."""
    answers = step.ask_many("search", search_prompt(step), COUNT)
    return max(step.evaluate_many(answers, [f"sample_{index}" for index in range(COUNT)]), key=lambda one: one.reward)


class Shuffled(Writer):
    """Answers when all first attempts of a batch are under way, in a given order of the samples."""

    def __init__(self, order: Sequence[int], killed_at: int = 0) -> None:
        super().__init__(killed_at)
        self._order = order
        self._together = threading.Barrier(len(order))
        self._turn = threading.Condition()
        self._gone = 0

    def complete(self, request: Request) -> Reply:
        if request.attempt == 1:
            self._together.wait(10)
            with self._turn:
                self._turn.wait_for(lambda: self._order[self._gone % len(self._order)] == request.sample, 10)
                time.sleep(0.002)
                self._gone += 1
                self._turn.notify_all()
                return super().complete(request)
        return super().complete(request)


def asked(writer: Writer) -> list[tuple[Any, ...]]:
    """Return what a model was asked, without the order in which it was."""
    return sorted((one.iteration, one.sample, one.attempt, one.turn, one.key, one.prompt) for one in writer.requests)


def run(method: str, logdir: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Any]:
    """Run or resume an experiment, and return its iterations without the times."""
    values = {key: options.pop(key) for key in ("llm_model_name", "structured_output") if key in options}
    run_texts(make_text_config(method, logdir, **values), provider, monkeypatch, **options)
    return [{**record, "times": None, "sums": None} for record in RunDirectory(logdir / "run_1").read_iterations()]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch, moves: None) -> str:
    """Register the method and return its name."""
    register(METHODS, replace(METHODS["props"], name="best_of_many", iterate=best_of_many), monkeypatch)
    return "best_of_many"


# ---- Runs ----


def test_the_order_of_replies_makes_no_difference(many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, questions = [], []
    for number, order in enumerate(ORDERS):
        writer = Shuffled(order)
        logs.append(run(many, tmp_path / str(number), writer, monkeypatch))
        questions.append(asked(writer))
        replies = [
            event for event in iterate_lines(tmp_path / str(number) / "run_1" / FILE) if event["event"] == "reply"
        ]
        assert logs[-1][-1]["llm_calls"] == len(replies) == len(writer.requests)
    assert logs[0] == logs[1] == logs[2]
    assert questions[0] == questions[1] == questions[2]
    assert {sample for _, sample, *_ in questions[0]} == set(range(COUNT))
    assert any(attempt > 1 for _, _, attempt, *_ in questions[0])  # each sample has its own re-asks
    stages = [candidate["stage"] for candidate in logs[0][0]["candidates"]]
    assert stages == ["sample_0", "sample_1", "sample_2", "sample_3"]


@pytest.mark.parametrize("by_position", [False, True])
def test_it_is_replayed(many: str, by_position: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = run(many, tmp_path / "first", Shuffled(ORDERS[2]), monkeypatch)
    model = f"replay/{tmp_path / 'first' / 'run_1'}"
    options = {"llm_model_name": model, "replay_by_position": by_position}
    assert run(many, tmp_path / "again", Writer(), monkeypatch, **options) == log


def test_it_is_resumed(many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Shuffled(ORDERS[0])
    log = run(many, tmp_path / "whole", whole, monkeypatch)
    for killed_at in range(1, len(whole.requests), 3):
        killed, rest = Shuffled(ORDERS[1], killed_at), Writer()
        with pytest.raises(Killed):
            run(many, tmp_path / str(killed_at), killed, monkeypatch)
        assert run(many, tmp_path / str(killed_at), rest, monkeypatch, resume=1) == log
        # Only the call during which it was killed is made twice: those under way with it were waited for.
        again = set(asked(killed)) & set(asked(rest))
        assert len(again) == 1
        assert set(asked(killed)) | set(asked(rest)) == set(asked(whole))


# ---- One step ----


class Samples(Provider):
    """Answers each attempt at each sample as it is told."""

    is_stand_in = True

    def __init__(self, *scripts: Sequence[str | AttemptFailed]) -> None:
        self.scripts = [list(script) for script in scripts]
        self.under_way = 0
        self.most_under_way = 0
        self.lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        with self.lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(0.02)
        with self.lock:
            self.under_way -= 1
            item = self.scripts[request.sample].pop(0)
        if isinstance(item, AttemptFailed):
            raise item
        return Reply(item)


def step_of(asker: Any, **changes: Any) -> Step:
    return Step(BRIEF, [], 4, asker, lambda _solution, _number: make_rollouts([0.0]), clip=False, **changes)


def number(text: str) -> int:
    if not text.isdigit():
        raise UnusableReply(f"{text} is no number")
    return int(text)


def test_anything_may_be_asked_for(tmp_path: Path) -> None:
    with open_client(Samples(["one", "1"], ["2"], ["no", "three", "3"]), tmp_path) as client:
        step = step_of(client)
        answers = step.ask_many("search", "Count!", 3, number)
        assert [answer.value for answer in answers] == [1, 2, 3]
        assert [client.store.find(answer.key, step.iteration).reply.text for answer in answers] == ["1", "2", "3"]  # type: ignore[union-attr]
        assert step.calls == 6
        assert step.llm_s >= 0.06


def test_the_next_samples_of_a_prompt_are_new_ones(tmp_path: Path) -> None:
    with open_client(Samples(["1"], ["2"], ["3"]), tmp_path) as client:
        step = step_of(client)
        values = [step.ask("search", "Count!", number).value]
        values += [answer.value for answer in step.ask_many("search", "Count!", 2, number)]
    assert values == [1, 2, 3]


def test_a_text_may_say_anything_but_nothing(tmp_path: Path) -> None:
    provider = Samples(["<think>Well.</think>\n", " <think>Now.</think> It went left.\n"])
    with open_client(provider, tmp_path) as client:
        assert step_of(client).ask_text("reflection", "What happened?").value == "It went left."
        assert [reply.refusal for reply in client.store.replies] == ["it was empty", ""]


def test_only_answers_in_the_format_of_the_policy_have_a_schema() -> None:
    schemas = []

    class Asker:
        def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
            schemas.append(question.schema)
            return Received("key", read("params = [" + "0, " * 9 + "]"), "", fresh=True, latency_s=0.5)

    step = step_of(Asker())
    step.brief = make_brief("maze", structured_output=True)
    step.ask("search", "Propose!")
    step.ask_text("reflection", "Reflect!")
    assert schemas == [BRIEF.policy.schema(), None]
    assert (step.calls, step.llm_s) == (2, 1.0)


def test_no_more_calls_are_under_way_than_allowed(tmp_path: Path) -> None:
    provider = Samples(*[["1"]] * 12)
    with open_client(provider, tmp_path) as client:
        step_of(client, max_concurrent_calls=3).ask_many("search", "Count!", 12, number)
    assert provider.most_under_way == 3


def test_of_several_failures_the_first_sample_counts_and_the_others_are_recorded(tmp_path: Path) -> None:
    gone = AttemptFailed("gone", retryable=False)
    provider = Samples(["one", "1"], ["no"] * 6, [gone], ["4"])
    with open_client(provider, tmp_path) as client:
        with pytest.raises(RunStopped, match=r"iteration 4, search: no usable reply in 6 attempts") as stopped:
            step_of(client).ask_many("search", "Count!", 4, number)
        assert not isinstance(stopped.value, CallFailed)
        assert sorted(reply.reply.text for reply in client.store.replies) == ["1", "4", *["no"] * 6, "one"]
    missing = Samples([], ["2"], ["3"], [])
    with open_client(missing, tmp_path) as client:
        answers = step_of(client).ask_many("search", "Count!", 4, number)
    assert [answer.value for answer in answers] == [1, 2, 3, 4]


class Recorded:
    """Has replies that took 100 s each when they came; the first attempt at sample 1 is of no use."""

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        refusal = "no" if (question.sample, question.attempt) == (1, 1) else ""
        return Received("key", read(str(question.sample)), refusal, fresh=False, latency_s=100.0)


def test_recorded_replies_count_as_long_as_the_slowest_sample_took() -> None:
    step = step_of(Recorded())
    assert [answer.value for answer in step.ask_many("search", "Count!", 3, number)] == [0, 1, 2]
    assert (step.calls, step.llm_s) == (4, 200.0)
    step.ask("search", "Count on!", number)
    assert (step.calls, step.llm_s) == (5, 300.0)


def test_all_are_called_and_the_first_failure_is_raised() -> None:
    called: list[int] = []

    def job(index: int) -> int:
        called.append(index)
        if index in (1, 3):
            raise ValueError(index)
        return index

    with pytest.raises(ValueError, match="1"):
        run_together([partial(job, index) for index in range(5)], at_most=2)
    assert sorted(called) == [0, 1, 2, 3, 4]
    assert run_together([partial(job, index) for index in (4, 2, 0)], at_most=2) == [4, 2, 0]


def test_an_interruption_starts_nothing_more() -> None:
    called, over = [], threading.Event()

    def job(index: int) -> None:
        called.append(index)
        _thread.interrupt_main()
        over.wait(10)

    with pytest.raises(KeyboardInterrupt):
        run_together([partial(job, index) for index in range(5)], at_most=1)
    over.set()
    time.sleep(0.05)
    assert called == [0]


def test_what_is_read_may_be_none(tmp_path: Path) -> None:
    with open_client(Writer(), tmp_path) as client:
        assert step_of(client).ask("search", "Nothing?", lambda _: None).value is None
