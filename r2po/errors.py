"""The errors that people see: one line each, with the exit code of the process."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class R2POError(Exception):
    """Base of all errors that end a command with one line and no traceback."""

    exit_code = 1


class InputError(R2POError):
    """What the user gave cannot be used: a config, an option, a path, a model name, a key. Exit code 2."""

    exit_code = 2


class RunStopped(R2POError):
    """A run stopped before its end and can be resumed: the model failed, or a cap was reached. Exit code 1."""


class NoUsableReply(RunStopped):
    """None of the replies to a question could be used; a resumed run asks again."""


class UnusableReply(Exception):
    """A model's reply that cannot be used; the text says why, in words that the model is told."""


def nearest(name: str, options: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the option that is closest to ``name``, or an empty string."""
    by_folded = {option.casefold(): option for option in options}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def unknown(kind: str, name: str, options: Iterable[str]) -> InputError:
    """Return the error for a name that is in no registry: what was found, the nearest name, all names."""
    options = list(options)
    return InputError(f"unknown {kind} {name!r}{nearest(name, options)}; known: {', '.join(options)}")
