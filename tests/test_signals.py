"""Signals wait while modules load, and where an exception would get lost; whole commands are in tests/process/."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from r2po.policies import make_policy
from r2po.signals import deferred, held_back
from r2po.tasks.spaces import read_spaces

CALLBACK = ctypes.CFUNCTYPE(None)


class Stopped(BaseException):
    pass


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def kill_in_a_callback(number: int = signal.SIGINT, send: Callable[[int, int], None] = os.kill) -> None:
    """Be stopped in Python code that C code calls, where an exception is printed and forgotten."""
    CALLBACK(lambda: send(os.getpid(), number))()


def test_signals_wait_while_modules_load() -> None:
    loaded: list[str] = []
    with pytest.raises(Stopped):
        interrupt_and_load(loaded)
    assert loaded == ["all of it"]


def interrupt_and_load(loaded: list[str]) -> None:
    with held_back():
        signal.raise_signal(signal.SIGINT)
        loaded.append("all of it")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_it_the_stop_would_get_lost() -> None:
    kill_in_a_callback()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_stop_comes_when_the_block_ends(number: int) -> None:
    done: list[str] = []
    with pytest.raises(Stopped), deferred():
        be_stopped_twice(number, done)
    assert done == ["all of it"]
    with pytest.raises(Stopped):  # from now on at once
        os.kill(os.getpid(), number)


def be_stopped_twice(number: int, done: list[str]) -> None:
    kill_in_a_callback(number)
    kill_in_a_callback(number)
    done.append("all of it")


def test_it_comes_whichever_thread_the_signal_arrives_at() -> None:
    def send(_process: int, number: int) -> None:
        thread = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), number))
        thread.start()
        thread.join()

    with pytest.raises(Stopped), deferred():
        kill_in_a_callback(send=send)


def test_an_error_in_the_block_gives_way_to_the_stop() -> None:
    with pytest.raises(Stopped) as caught, deferred():
        be_stopped_and_fail()
    assert isinstance(caught.value.__context__, ValueError)


def be_stopped_and_fail() -> None:
    kill_in_a_callback()
    raise ValueError


def test_signals_that_are_ignored_stay_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_other_threads_leave_the_handlers_alone() -> None:
    seen: list[Any] = []

    def work() -> None:
        with deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("gym_id", ["CartPole-v1", "InvertedPendulum-v5"])
def test_a_stop_while_a_loop_is_compiled_is_not_lost(gym_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba compiles in C code that calls it back."""
    pytest.importorskip("numba")
    from r2po.rollout import kernel_engine
    from r2po.rollout.mujoco import engine, evaluation

    spaces = read_spaces(gym_id, {})
    make = engine.MujocoEngine if gym_id.endswith("-v5") else kernel_engine.KernelEngine
    played: list[bool] = []

    def play(*_: object) -> bool:
        kill_in_a_callback()
        played.append(True)
        return True

    monkeypatch.setattr(kernel_engine, "play", play)
    monkeypatch.setattr(evaluation, "run_episodes", play)
    family = make_policy("linear", spaces)
    policy = family.bind(family.sample(np.random.default_rng(0)))
    with pytest.raises(Stopped):
        make(gym_id, {}, spaces, max_steps=10).evaluate(policy, [1])
    assert played == [True]
