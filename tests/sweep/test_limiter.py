"""Whatever limit a provider hides, it is found and kept close to."""

from __future__ import annotations

import pytest

from r2po.sweep.limiter import FIRST_LIMIT, Attempt, Limiter
from tests.sweep.servers import FixedWindow, Make, SlidingWindow, TokenBucket, Unlimited, drive

PER_SECOND: list[tuple[Make, float]] = [
    (lambda: TokenBucket(20, 20), 20),
    (lambda: TokenBucket(20, 2), 20),
    (lambda: TokenBucket(200, 50), 200),
    (lambda: SlidingWindow(20, 1), 20),
    (lambda: FixedWindow(20, 1), 20),
]
PER_MINUTE: list[tuple[Make, float]] = [
    (lambda: TokenBucket(5, 300), 5),
    (lambda: SlidingWindow(300, 60), 5),
    (lambda: SlidingWindow(1200, 60), 20),
    (lambda: FixedWindow(300, 60), 5),
]


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(("make", "rate"), PER_SECOND)
def test_more_than_nine_tenths_of_a_rate_per_second(make: Make, rate: float, tells: bool) -> None:
    seen = drive(make(), seconds=70, start_s=10, runs=200, latency_s=0.5, tells=tells)
    assert 0.9 * rate < seen.rate <= 1.01 * rate
    assert seen.refusals < 0.1 * 70 * rate


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(("make", "rate"), PER_MINUTE)
def test_more_than_nine_tenths_of_a_rate_per_minute(make: Make, rate: float, tells: bool) -> None:
    seen = drive(make(), seconds=1260, start_s=60, runs=100, latency_s=2.0, tells=tells)
    assert 0.9 * rate < seen.rate <= 1.01 * rate
    assert seen.refusals < 0.1 * 1260 * rate


def test_without_a_limit_all_runs_are_soon_under_way() -> None:
    seen = drive(Unlimited(), seconds=30, start_s=10, runs=100, latency_s=2.0, tells=False)
    assert seen.most_in_flight == 100
    assert seen.rate == pytest.approx(50, rel=0.02)
    assert seen.refusals == 0


def test_it_begins_with_few_calls() -> None:
    limiter = Limiter()
    for _ in range(FIRST_LIMIT):
        assert limiter.wait_s(0.0) == 0.0
        limiter.sent(0.0)
    assert limiter.wait_s(0.0) is None


def test_a_server_that_gets_slower_is_not_flooded() -> None:
    """It answers one call a second, however many wait: what others take 2 s for takes as long as the queue is."""
    limiter, now = Limiter(), 0.0
    queue: list[Attempt] = []
    while now < 300.0:
        while limiter.in_flight < 1000 and limiter.wait_s(now) == 0:
            queue.append(limiter.sent(now))
        now += 1.0
        limiter.ended(queue.pop(0), now)
    assert limiter.limit < 2.5 * FIRST_LIMIT


def test_attempts_without_an_answer_halve_the_concurrency_once() -> None:
    limiter = Limiter()
    attempts = [limiter.sent(0.0) for _ in range(8)]
    for attempt in attempts:
        limiter.unanswered(attempt, 300.0)
    assert limiter.limit == FIRST_LIMIT / 2
    limiter.unanswered(limiter.sent(301.0), 601.0)
    assert limiter.limit == FIRST_LIMIT / 4
    assert limiter.in_flight == 0


def test_what_the_server_asks_for_is_kept() -> None:
    limiter = Limiter()
    attempt = limiter.sent(10.0)
    limiter.refused(attempt, 10.1, retry_after_s=7.0)
    assert limiter.wait_s(10.1) == pytest.approx(7.0)
    assert limiter.wait_s(17.0) == pytest.approx(0.1)
    assert limiter.wait_s(17.2) == 0.0


def test_one_probe_at_a_time_finds_out_whether_the_server_takes_calls_again() -> None:
    limiter = Limiter()
    attempt = limiter.sent(0.0)
    limiter.refused(attempt, 0.01)
    assert limiter.is_closed
    probe = limiter.sent(1.0)
    assert limiter.wait_s(1.0) is not None
    assert limiter.wait_s(1.0) != 0.0
    limiter.ended(probe, 1.01)
    assert not limiter.is_closed


def test_a_refusal_of_what_was_sent_before_the_last_one_is_no_second_one() -> None:
    limiter = Limiter()
    first, second = limiter.sent(0.0), limiter.sent(0.0)
    limiter.refused(first, 0.01)
    limiter.ended(limiter.sent(1.0), 1.01)
    rate = limiter.rate(1.01)
    limiter.refused(second, 1.02)
    assert not limiter.is_closed
    assert limiter.rate(1.01) == rate
