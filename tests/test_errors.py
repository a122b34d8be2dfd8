"""Errors suggest the name that was probably meant, and say how the process ends."""

from __future__ import annotations

import pytest

from r2po.errors import InputError, RunStopped, nearest


@pytest.mark.parametrize(
    ("name", "hint"), [("nimm", " (did you mean 'Nim'?)"), ("NIM", " (did you mean 'Nim'?)"), ("zzz", "")]
)
def test_the_nearest_name(name: str, hint: str) -> None:
    assert nearest(name, ["Pong", "Nim"]) == hint


def test_exit_codes() -> None:
    assert (InputError.exit_code, RunStopped.exit_code) == (2, 1)
