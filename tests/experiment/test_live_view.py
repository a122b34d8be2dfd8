"""The line of the live part that says what is arriving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from r2po.experiment.live_view import Arriving, LiveView
from r2po.llm.types import AttemptFailed


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ([(100, 0.0)], "100 characters"),
        ([(100, 0.0), (140, 0.5)], "140 characters"),  # too early to tell how fast
        ([(100, 0.0), (300, 1.0), (500, 2.0)], "500 characters, 200/s"),
        # An attempt begins anew: what it brings is more than the last one brought, and only after that.
        ([(100, 0.0), (2000, 10.0), (50, 40.0), (2150, 50.0)], "2.1k characters, 210/s"),
        ([(100, 0.0), (2000, 10.0), (50, 40.0), (60, 40.5)], "60 characters"),
        # One of two replies ends: the other goes on at 100 characters per second, and neither is mixed with the other.
        ([(100, 0.0), (5000, 10.0), (1000, 10.2), (1200, 12.2)], "1.2k characters, 100/s"),
    ],
)
def test_how_fast_replies_arrive(seen: Sequence[tuple[int, float]], shown: str) -> None:
    arriving = Arriving(*seen[0])
    for characters, now in seen[1:]:
        arriving.take(characters, now)
    assert str(arriving) == shown


class Racing(LiveView):
    """A view in which something stops to arrive just when it is looked at."""

    looks: Iterator[Arriving | None] = iter([])

    @property
    def _arriving(self) -> Arriving | None:
        return next(self.looks)

    @_arriving.setter
    def _arriving(self, value: Arriving | None) -> None:  # the constructor sets it
        pass


def test_what_stops_to_arrive_while_it_is_shown_does_no_harm() -> None:
    view = Racing()
    view.looks = iter([Arriving(5, 0.0), None])
    assert view._doing().plain == "warm-up, 5 characters"


def test_nothing_arrives_after_a_failed_attempt() -> None:
    view = LiveView()
    view.asking("search")
    view.receiving(500)
    assert view._doing().plain == "asking the model (search), 0 s, 500 characters"
    view.failed(AttemptFailed("http://127.0.0.1:1: the answer broke off", retryable=True), 5.0)
    assert view._doing().plain == "asking the model (search), 0 s"
