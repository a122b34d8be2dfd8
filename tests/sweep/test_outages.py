"""Sweeps at servers that are dead, slow and refusing for a while, or for good."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import r2po
from r2po.errors import InputError, NoUsableReply
from r2po.llm.client import CallFailed
from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.llm.outage import FIRST_INTERVAL_S, Outage, OutageTooLong, Sign
from r2po.llm.store import CallStore
from r2po.sweep.cluster.clerk import Clerk
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.manifest import read
from r2po.sweep.messages import (
    ABANDONED,
    ANSWERED,
    FAILED,
    REFUSED,
    UNANSWERED,
    AttemptOutcome,
    Ended,
    PermitRequest,
    Verdict,
)
from r2po.sweep.outages import FILES, STALE_S, Outages, read_outages
from r2po.sweep.own_file import own_path
from r2po.sweep.plan import SweepRequest
from r2po.sweep.screen import headline
from r2po.sweep.second_chance import QUEUED, SecondChances, may_pass
from r2po.sweep.status import read_board
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.llm.fake_ollama import FakeOllama, stall, status
from tests.llm.fake_servers import FakeOpenAI, FakeServer
from tests.process.processes import finish, player, records, trials, wait_until, write_config
from tests.sweep.in_threads import UnderWay, use_threads
from tests.sweep.sweeping import SMALL, start_sweep

SERVER, OTHER = "http://server", "http://other"
GONE = Sign("connection refused")
KINDS = (ANSWERED, FAILED, UNANSWERED, ABANDONED, REFUSED, "sign", "sign", "forgotten")


def coordinator(longest_s: float = 86_400.0) -> Coordinator:
    return Coordinator(Ledger(Caps(), Amount()), longest_s)


def granted(it: Coordinator, now: float) -> list[tuple[int, bool]]:
    return [(verdict.run, verdict.probe) for verdict in it.grants(now)]


def gone(it: Coordinator, run: int, now: float) -> bool:
    """Let an attempt of a run fail as in an outage; return whether it is one."""
    verdict = it.end(AttemptOutcome(run, UNANSWERED, sign=GONE), now)
    assert isinstance(verdict, Verdict)
    return verdict.outage


def out_with(runs: int, longest_s: float = 86_400.0) -> Coordinator:
    """Return a coordinator in an outage of its server, in which so many runs wait."""
    it = coordinator(longest_s)
    for run in range(runs):
        it.ask(PermitRequest(run, SERVER))
    assert len(granted(it, 0.0)) == runs
    assert [gone(it, run, 0.0) for run in range(runs)] == [False] + [True] * (runs - 1)
    for run in range(runs):
        it.ask(PermitRequest(run, SERVER))
    return it


def test_in_an_outage_one_probe_goes_out_and_all_others_wait() -> None:
    it = out_with(5)
    assert granted(it, 1.0) == []
    assert it.wait_s(1.0) == pytest.approx(FIRST_INTERVAL_S - 1.0, abs=0.21)
    assert granted(it, 2.3) == [(0, True)]
    assert it.wait_s(3.0) is None
    assert gone(it, 0, 3.0)
    it.ask(PermitRequest(0, SERVER))
    assert granted(it, 4.0) == []
    assert granted(it, 5.3) == [(1, True)]  # each time another run's
    assert it.outages(7.0) == {SERVER: Outage(7.0, "connection refused")}


def test_when_it_is_over_calls_come_back_one_by_one_and_then_more() -> None:
    it, under_way = out_with(16), [0]
    waves: list[int] = []
    assert granted(it, 2.3) == [(0, True)]
    while under_way:  # in each second, all that are under way are answered
        followed: list[int] = []
        for run in under_way:
            it.end(AttemptOutcome(run, ANSWERED), 3.3 + len(waves))
            followed += [verdict.run for verdict in it.grants(3.3 + len(waves))]
        under_way = followed
        waves.append(len(under_way))
    assert waves == [1, 2, 4, 8, 0]
    assert it.outages(10.0) == {}


def test_an_outage_concerns_one_server() -> None:
    it = out_with(3)
    it.ask(PermitRequest(7, OTHER))
    assert granted(it, 0.1) == [(7, False)]


def test_a_run_alone_at_a_server_can_find_it_out() -> None:
    it = coordinator()
    for attempt, expected in enumerate((False, True)):
        it.ask(PermitRequest(0, SERVER))
        assert granted(it, float(attempt)) == [(0, False)]
        assert gone(it, 0, float(attempt)) is expected
    it.ask(PermitRequest(1, OTHER))
    assert granted(it, 2.0) == [(1, False)]


@pytest.mark.parametrize("how", ["forgotten", "lost", "abandoned"])
def test_when_the_run_of_a_probe_is_gone_another_probes(how: str) -> None:
    it = out_with(3)
    assert granted(it, 2.3) == [(0, True)]
    if how == "forgotten":
        it.forget([0], 3.0)
    elif how == "lost":
        it.lose((0, 0), 3.0)
    else:
        it.end(AttemptOutcome(0, ABANDONED), 3.0)
    assert granted(it, 3.1) == []
    assert granted(it, 5.3) == [(1, True)]


@given(
    choices=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(KINDS), st.floats(0.0, 5.0)), max_size=200),
    longest_s=st.sampled_from([0.0, 20.0, 86_400.0]),
)
def test_whatever_happens_somebody_can_go_on_and_in_an_outage_at_most_one(
    choices: list[tuple[int, str, float]], longest_s: float
) -> None:
    it, now = coordinator(longest_s), 0.0
    under_way = set[int]()
    for run in range(10):
        it.ask(PermitRequest(run, SERVER))
    for chosen, kind, later in choices:
        verdicts = it.grants(now)
        assert sum(verdict.probe for verdict in verdicts) <= 1
        if any(verdict.gave_up for verdict in verdicts):
            return
        under_way |= {verdict.run for verdict in verdicts}
        if not under_way:
            due_s = it.wait_s(now)
            assert due_s is not None
            now += due_s + 0.001
            continue
        now += later
        run = sorted(under_way)[chosen % len(under_way)]
        under_way.remove(run)
        if kind == "sign":
            assert it.end(AttemptOutcome(run, UNANSWERED, sign=GONE), now) is not None
        elif kind == "forgotten":
            it.forget([run], now)
        else:
            assert it.end(AttemptOutcome(run, kind), now) is None
        it.ask(PermitRequest(run, SERVER))


@pytest.mark.parametrize("kind", [ANSWERED, FAILED, UNANSWERED])
def test_whatever_else_comes_of_a_probe_the_outage_is_over(kind: str) -> None:
    it = out_with(3)
    granted(it, 2.3)
    assert it.end(AttemptOutcome(0, kind), 3.0) is None
    assert it.outages(3.0) == {}
    assert granted(it, 3.0) == [(1, False)]


def test_who_waits_when_it_takes_too_long_is_told_and_so_is_who_comes_later() -> None:
    it = out_with(3, longest_s=3.0)
    granted(it, 2.3)
    assert gone(it, 0, 2.4)
    assert granted(it, 3.0) == [(1, True)]
    assert gone(it, 1, 3.0)
    for run in (0, 1, 9):
        it.ask(PermitRequest(run, SERVER))
    why = "no answer for 3 s, and --max-outage allows no longer: connection refused"
    assert {verdict.run: verdict.gave_up for verdict in it.grants(3.0)} == dict.fromkeys((2, 0, 1, 9), why)


def test_a_late_sign_of_a_run_that_was_given_up_is_answered() -> None:
    assert coordinator().end(AttemptOutcome(4, UNANSWERED, sign=GONE, call=2), 0.0) == Verdict(4, call=2)


def test_over_ray_a_sign_is_answered_and_the_outages_are_told() -> None:
    async def talk() -> None:
        clerk = Clerk(coordinator())
        for run, expected in ((0, False), (1, True)):
            await clerk.ask(PermitRequest(run, SERVER), 60.0)
            answer = await clerk.tell(AttemptOutcome(run, UNANSWERED, sign=GONE))
            assert answer == Verdict(run, outage=expected)
        *_, outages, stranded = await clerk.news()
        assert outages.keys() == {SERVER}
        assert stranded == {}
        await clerk.forget(0)
        await clerk.forget(1)

    asyncio.run(talk())


def test_a_run_has_one_second_chance_if_its_failure_may_pass() -> None:
    chances = SecondChances()
    assert chances.after(Ended(1, "failed", "timeouts", may_pass=True)).state == QUEUED
    assert chances.after(Ended(1, "failed", "timeouts", may_pass=True)).state == "failed"
    assert chances.after(Ended(2, "failed", "a wrong setting")).state == "failed"
    assert chances.after(Ended(3)).state == "complete"


def test_which_failures_may_pass(tmp_path: Path) -> None:
    with closing(CallStore(tmp_path)) as store:
        assert may_pass(CallFailed("no answer in time (8 attempts)", retryable=True, store=store))
        assert not may_pass(CallFailed("HTTP 400", retryable=False, store=store))
    assert may_pass(NoUsableReply("no usable reply in 6 attempts"))
    assert not may_pass(OutageTooLong("no answer for 24 h"))
    assert not may_pass(InputError("the config has changed"))


def test_status_knows_of_outages_as_long_as_the_sweep_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outages = Outages(tmp_path)
    (line,) = outages.update({SERVER: Outage(60.0, "connection refused")})
    assert line.startswith(f"{SERVER}: no answer since ")
    assert "Ctrl-C stops, and the same command continues" in line
    assert outages.update({SERVER: Outage(61.0, "connection refused")}) == []
    assert read_outages(tmp_path) == outages.since
    file = own_path(tmp_path, FILES)
    os.utime(file, (time.time() - STALE_S - 1,) * 2)  # as a sweep leaves it that was killed on another machine
    assert read_outages(tmp_path) == {}
    monkeypatch.setattr("r2po.sweep.outages.EVERY_S", 0.0)
    assert outages.update({SERVER: Outage(62.0, "connection refused")}) == []
    assert read_outages(tmp_path) == outages.since  # it is renewed while the outage goes on
    (line,) = outages.update({})
    assert line.startswith(f"{SERVER} answers again after ")
    assert not file.exists()
    file.write_text("[1, 2")
    assert read_outages(tmp_path) == {}


def test_each_process_tells_of_its_own_outages_and_a_killed_one_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    us = os.getpid()
    monkeypatch.setattr("os.getpid", os.getppid)
    theirs = Outages(tmp_path)
    theirs.update({OTHER: Outage(60.0, "connection refused")})
    monkeypatch.setattr("os.getpid", lambda: us)
    ours = Outages(tmp_path)
    ours.update({SERVER: Outage(60.0, "connection refused")})
    assert read_outages(tmp_path).keys() == {SERVER, OTHER}
    ours.close()
    assert read_outages(tmp_path).keys() == {OTHER}
    gone = subprocess.Popen(["true"])
    gone.wait()
    (others,) = tmp_path.glob(f"{FILES}-*")
    left = others.rename(others.with_stem(f"{others.stem.rpartition('-')[0]}-{gone.pid}"))
    assert read_outages(tmp_path) == {}
    Outages(tmp_path)
    assert not left.exists()


def test_what_an_earlier_process_with_the_same_number_left_is_gone_at_once(tmp_path: Path) -> None:
    Outages(tmp_path).update({SERVER: Outage(60.0, "connection refused")})
    Outages(tmp_path)
    assert read_outages(tmp_path) == {}


def test_an_outage_that_another_process_of_the_sweep_sees_stays_known(tmp_path: Path) -> None:
    one, other = Outages(tmp_path), Outages(tmp_path)
    one.update({SERVER: Outage(60.0, "connection refused")})
    other.close()
    assert read_outages(tmp_path) == one.since
    one.close()
    assert read_outages(tmp_path) == {}


def slowly(pause_s: float) -> Callable[[str], str]:
    def reply(prompt: str) -> str:
        time.sleep(pause_s)
        return player(prompt)

    return reply


def config_of(name: str, iterations: int, model: str = "ollama/tiny") -> dict[str, Any]:
    return {
        **SMALL,
        "method": "props",
        "logdir": f"logs/{name}",
        "num_iterations": iterations,
        "llm_model_name": model,
    }


def assert_nothing_recorded_was_asked_again(folder: Path) -> None:
    for log in folder.glob("logs/*/run_*/llm_calls.jsonl"):
        replied: set[tuple[str, int]] = set()
        calls: dict[int, tuple[str, int]] = {}
        for event in records(log):
            if event["event"] == "request":
                calls[event["call"]] = place = (event["key"], event["iteration"])
                assert place not in replied
            elif event["event"] == "reply":
                replied.add(calls[event["call"]])


@pytest.fixture
def in_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., UnderWay]:
    """Starts sweeps in a folder, with the environment that leads to some servers."""
    use_threads(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def start(
        configs: list[str], runs: int, *servers: FakeServer, max_outage_s: float = 60.0, jobs: int = 100
    ) -> UnderWay:
        for name, value in {**servers[0].environ, **servers[-1].environ}.items():
            monkeypatch.setenv(name, value)
        options = SweepOptions("mine", jobs=jobs, max_outage_s=max_outage_s)
        return UnderWay(Sweep(SweepRequest(configs, [], range(1, runs + 1)), options, dict(os.environ)))

    return start


class InProcesses(UnderWay):
    """A sweep in a process of its own."""

    def __init__(self, configs: list[str], runs: int, server: FakeServer) -> None:
        assert isinstance(server, FakeOllama)
        self._process = start_sweep(Path(), *configs, "--runs", str(runs), server=server)

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def finish(self, patience_s: float = 60.0) -> str:
        done = finish(self._process, patience_s)
        print(done.stdout)
        return done.stderr


@dataclass(frozen=True)
class Ordeal:
    """A server that is dead, then slow, then refusing."""

    runs: int
    iterations: int
    phase_s: float
    reply_s: float

    def meet(self, start: Callable[..., UnderWay]) -> None:
        """Let a sweep meet it."""
        write_config(Path(), config_of("stormy", self.iterations))
        with FakeOllama(slowly(self.reply_s)) as server:
            sweep = start(["config.yaml"], self.runs, server)
            wait_until(lambda: sweep.is_over or len(server.chats) >= 2 * self.runs)
            assert not sweep.is_over, sweep.finish()
            server.die()
            time.sleep(self.phase_s)
            server._reply = slowly(5 * self.reply_s)
            server.revive()
            time.sleep(self.phase_s)
            server._reply = slowly(self.reply_s)
            server.always(status(503))
            time.sleep(self.phase_s)
            assert not sweep.is_over, "it must not be over before the ordeal is"
            server.recover()
            assert sweep.finish(60.0 + 5 * self.phase_s) == ""
        assert len(list(Path().glob("logs/stormy/run_*/result.json"))) == self.runs
        assert_nothing_recorded_was_asked_again(Path())
        r2po.run(config_of("calm", self.iterations, "embedded/search"), seed=1)
        assert trials(Path("logs/stormy/run_1")) == trials(Path("logs/calm/run_1"))


def test_a_sweep_outlives_a_server_that_is_dead_then_slow_then_refusing(
    in_threads: Callable[..., UnderWay], capsys: pytest.CaptureFixture[str]
) -> None:
    Ordeal(runs=6, iterations=10, phase_s=2.5, reply_s=0.1).meet(in_threads)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("http://")]
    assert [line.partition(") ")[2].partition(" after ")[0] or line.partition("): ")[2][:9] for line in said] == [
        "no answer",
        "answers again",
    ] * 2
    assert "connection refused" in said[0]
    assert "HTTP 503" in said[2]


@pytest.mark.slow
def test_200_runs_outlive_a_server_that_is_dead_then_slow_then_refusing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real processes, and with half a minute for each."""
    monkeypatch.chdir(tmp_path)
    Ordeal(runs=200, iterations=20, phase_s=30.0, reply_s=0.5).meet(InProcesses)


def test_one_of_two_servers_is_dead_to_the_end_and_the_same_command_continues(
    in_threads: Callable[..., UnderWay],
) -> None:
    write_config(Path(), config_of("dead", 6), "dead.yaml")
    write_config(Path(), config_of("well", 6, FakeOpenAI.model), "well.yaml")
    configs = ["dead.yaml", "well.yaml"]
    with FakeOllama(slowly(0.05)) as dead, FakeOpenAI(player) as well:
        sweep = in_threads(configs, 2, dead, well, max_outage_s=2.5)
        wait_until(lambda: len(dead.chats) >= 6)
        dead.die()
        first, second = sweep.finish().splitlines()
        assert first == "2 of 4 runs failed:"
        why = f"no answer for 2.5 s, and --max-outage allows no longer: {dead.url}/api/tags: connection refused"
        assert second == f"  dead/run_1, dead/run_2: {why}"
        assert len(list(Path().glob("logs/well/run_*/result.json"))) == 2

        again = in_threads(configs, 2, dead, well)  # nobody answers now, but there are replies on record
        wait_until(lambda: read_outages(Path("logs/mine")) != {})
        dead.revive()
        assert again.finish() == ""
        assert len(well.chats) == 12
    assert len(list(Path().glob("logs/*/run_*/result.json"))) == 4
    assert_nothing_recorded_was_asked_again(Path())


def test_runs_that_would_only_wait_let_the_others_pass(in_threads: Callable[..., UnderWay]) -> None:
    """Else they would take all places: here there is one."""
    write_config(Path(), config_of("dead", 2), "dead.yaml")
    write_config(Path(), config_of("well", 2, FakeOpenAI.model), "well.yaml")
    with FakeOllama(player) as dead, FakeOpenAI(player) as well:
        dead.die()
        sweep = in_threads(["dead.yaml", "well.yaml"], 2, dead, well, jobs=1)
        wait_until(lambda: len(list(Path().glob("logs/well/run_*/result.json"))) == 2)
        dead.revive()
        assert sweep.finish() == ""


def test_ctrl_c_in_an_outage_is_prompt_and_status_shows_the_outage(tmp_path: Path) -> None:
    write_config(tmp_path, config_of("props", 6))
    with FakeOllama(slowly(0.05)) as server:
        sweep = start_sweep(tmp_path, "config.yaml", "--runs", "1", "--name", "mine", server=server)
        wait_until(lambda: len(server.chats) >= 3, sweep)
        server.die()
        folder = tmp_path / "logs/mine"
        wait_until(lambda: read_outages(folder) != {}, sweep)
        assert f"{server.url} (ollama/tiny): no answer since " in headline(*read_board(read(folder)))
        told = time.monotonic()
        sweep.send_signal(signal.SIGINT)
        stopped = finish(sweep)
    assert time.monotonic() - told < 3.0
    assert stopped.returncode == 130
    assert "to continue: python -m r2po sweep config.yaml --runs 1 --name mine" in stopped.stderr
    assert list(folder.glob(f"{FILES}*")) == []


@pytest.fixture
def two_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SweepRequest, dict[str, str]]]:
    """What asks for a run at each of two servers, and the environment that leads there; the first one is dead."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, config_of("dead", 2), "dead.yaml")
    write_config(tmp_path, config_of("well", 2, FakeOpenAI.model), "well.yaml")
    with FakeOllama() as dead, FakeOpenAI() as well:
        dead.die()
        yield SweepRequest(["dead.yaml", "well.yaml"], [], [1]), {**dead.environ, **well.environ}


def test_at_the_first_contact_a_dead_server_keeps_only_its_own_runs_waiting(
    two_servers: tuple[SweepRequest, dict[str, str]],
) -> None:
    request, environ = two_servers
    sweep = Sweep(request, SweepOptions(), environ)
    sweep._company.leave()
    assert [run.identities for run in sweep.runs] == [{}, {}]
    outage = sweep._company.coordinator.outages(time.monotonic())[f"{environ['OLLAMA_BASE_URL']} (ollama/tiny)"]
    assert outage.reason.startswith("cannot reach Ollama: ")
    assert [run.source for run in sweep._todo] == ["dead.yaml", "well.yaml"]


@pytest.mark.parametrize("configs", [["dead.yaml"], ["dead.yaml", "well.yaml"]])
def test_where_outages_are_not_waited_for_or_nobody_answers_nothing_is_started(
    configs: list[str], two_servers: tuple[SweepRequest, dict[str, str]]
) -> None:
    request, environ = two_servers
    longest_s = 0.0 if len(configs) == 2 else 60.0
    with pytest.raises(InputError, match="cannot reach Ollama"):
        Sweep(replace(request, configs=configs), SweepOptions(max_outage_s=longest_s), environ)
    assert not Path("logs").exists()


@pytest.mark.parametrize("fault", ["no TLS", "no answer"])
def test_what_no_waiting_mends_or_may_be_paid_for_is_an_error_at_the_first_contact(
    fault: str, two_servers: tuple[SweepRequest, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    request, environ = two_servers
    monkeypatch.setattr("r2po.llm.providers.wire.CHECK_TIMEOUT_S", 0.3)
    with FakeOllama() as server:
        server.always(stall(), path="/api/tags")
        server.always(stall(), path="/api/show")
        url = server.url.replace("http:", "https:") if fault == "no TLS" else server.url
        said = "does not speak TLS" if fault == "no TLS" else "no complete answer within"
        with pytest.raises(InputError, match=f"cannot reach Ollama: .*{said}"):
            Sweep(request, SweepOptions(), {**environ, "OLLAMA_BASE_URL": url})
    assert not Path("logs").exists()


def test_a_run_that_failed_by_errors_of_the_server_is_made_once_more(
    in_threads: Callable[..., UnderWay], capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), {**config_of("props", 2), "llm_max_attempts": 1})
    with FakeOllama(player) as server:
        server.inject(*[status(500)] * 3)  # for each run one, and one more for the first that is made again
        stopped = in_threads(["config.yaml"], 2, server).finish()
    assert capsys.readouterr().out.count("failed and is made again later: ") == 2
    assert stopped.startswith("1 of 2 runs failed:")
    assert len(list(Path().glob("logs/props/run_*/result.json"))) == 1
