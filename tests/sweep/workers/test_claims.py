"""Which run a process takes next: what others hold, have failed at or have deferred; whose servers are out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from r2po.llm.ledger import Amount, Caps
from r2po.sweep.members.accounts import Account, Accounts
from r2po.sweep.members.members import Members
from r2po.sweep.messages import Ended
from r2po.sweep.workers.claims import Claims

NAMES = [f"a/run_{seed}" for seed in (1, 2, 3)]


class Side:
    """A process that may make three runs."""

    def __init__(self, folder: Path, deferred: Collection[str] = ()) -> None:
        self.members = Members(folder / "sweep", worker=True, counted=False)
        self.members.join()
        self.heard: list[object] = []
        accounts = Accounts(Caps(), Caps(), [Account(name, "a") for name in NAMES], lambda _: Amount())
        listener: Any = SimpleNamespace(hear=self.heard.append)
        self.claims = Claims(NAMES, self.members, accounts, listener, lambda: deferred, patient=True)
        runs: list[Any] = [
            SimpleNamespace(index=index, path=folder / name, servers=frozenset({f"server {index}"}))
            for index, name in enumerate(NAMES)
        ]
        self.claims.offer(runs)

    def take(self, *out: str) -> Any:
        self.claims._look_at = float("-inf")
        return self.claims.take(out)


def test_a_run_whose_server_is_out_lets_the_others_start_first(tmp_path: Path) -> None:
    side = Side(tmp_path)
    assert [side.take("server 0", "server 1").index for _ in NAMES] == [2, 0, 1]


def test_what_any_process_has_deferred_is_not_made(tmp_path: Path) -> None:
    side = Side(tmp_path, deferred=NAMES[:2])
    assert side.take().index == 2
    assert side.heard == [Ended(run, "deferred by the race", "deferred by the race") for run in (0, 1)]
    assert not side.claims.are_left


def test_a_run_that_is_given_back_may_be_taken_by_another_process(tmp_path: Path) -> None:
    one, other = Side(tmp_path), Side(tmp_path)
    run = one.take()
    assert (run.index, other.take().index) == (0, 1)
    one.claims.put_back(run, is_last=False)
    assert other.take().index == 0
    assert one.take().index == 2
    assert one.take() is None


def test_a_run_that_is_made_once_more_is_the_last_one_and_has_no_third_chance(tmp_path: Path) -> None:
    one, other = Side(tmp_path), Side(tmp_path)
    one.claims.put_back(one.take(), is_last=True)
    taken = [other.take() for _ in NAMES]
    assert [run.index for run in taken] == [1, 2, 0]
    assert [other.claims.had_chance(run) for run in taken] == [False, False, True]


def test_a_race_may_leave_out_only_what_nobody_makes_or_has_begun(tmp_path: Path) -> None:
    one, other = Side(tmp_path), Side(tmp_path)
    assert one.claims.waiting() == {0, 1, 2}
    other.take()
    (tmp_path / NAMES[1]).mkdir(parents=True)
    (tmp_path / NAMES[1] / "iterations.jsonl").write_text("{}\n", encoding="utf-8")
    assert one.claims.waiting() == {2}
    one.claims.leave_out({2})
    assert one.claims.waiting() == set()
