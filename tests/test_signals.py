"""Signals wait while modules load; what they do to whole commands is in tests/process/."""

from __future__ import annotations

import signal

import pytest

from r2po.signals import held_back


def test_signals_wait_while_modules_load() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loaded: list[str] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_and_load(loaded)
    finally:
        signal.signal(signal.SIGINT, before)
    assert loaded == ["all of it"]


def interrupt_and_load(loaded: list[str]) -> None:
    with held_back():
        signal.raise_signal(signal.SIGINT)
        loaded.append("all of it")
