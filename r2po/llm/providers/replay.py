"""``replay/<run dir>``: the replies of a recorded run instead of a model's. No network, no cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from r2po.errors import InputError
from r2po.llm.store import recorded_reply
from r2po.llm.types import CRITIC, SEARCH, AttemptFailed, Provider, Recording, Reply, Request
from r2po.runlog import RunDirectory, open_run
from r2po.runlog.events import FILE, Replied, Requested, read_events
from r2po.runlog.intact import check_log
from r2po.runlog.jsonl import DamagedLog

PREFIX = "replay/"
SHOWN_CHARACTERS = 60
BY_POSITION = "--replay-by-position continues anyway"
"""Ends the reason where without that option the same error would come again."""
WHOLE = "to repeat all of it, start a replay with"
"""Stands in the reason where nothing can continue this replay."""

_Position = tuple[int, str, int, int]
"""Iteration, role, sample, attempt."""


@dataclass(frozen=True)
class _Entry:
    """A recorded reply, why it was refused, if it was, and the number of its call."""

    key: str
    call: int
    reply: Reply
    refusal: str


class Replay(Provider):
    """Answers as a recorded run was answered.

    A reply is found by the address that it has in the recorded run's call store: the same model, settings and prompt.
    With ``by_position`` it is found by its place in the run, whatever the prompt says.

    Args:
        path: The recorded run, finished or not. Nothing is written there.

    Raises:
        InputError: It is no run directory, or is damaged.
    """

    def __init__(self, path: str) -> None:
        self._directory = _open(path)
        description = self._directory.read_description()
        self.is_stand_in = description["stand_in"]
        try:
            self._recorded = self._read()
        except DamagedLog as error:
            raise InputError(f"cannot replay {path}: {error}") from None
        self._by_key = {
            (entry.key, position[0]): entry for position, entries in self._recorded.items() for entry in entries
        }
        critic = description.get("critic_model")
        self.recording: Recording = Recording(
            path=path,
            logdir=self._directory.path.parent,
            seed=description["seed"],
            models={SEARCH: description["model"], **({CRITIC: critic} if critic else {})},
            config=description["config"],
            keys={key for key, _ in self._by_key},
        )

    def check(self) -> None:
        """Refuse a run without replies."""
        if not self._by_key:
            raise InputError(f"cannot replay {self.recording.path}: it has no recorded replies")

    def complete(self, request: Request) -> Reply:
        """Return the recorded reply.

        Raises:
            AttemptFailed: There is none; the reason says where the prompt differs from the recorded one.
        """
        found = self._find(request)
        if found is None:
            raise AttemptFailed(f"replay of {self.recording.path}: {self._miss(request)}", retryable=False)
        return found.reply

    def verdict(self, request: Request) -> str | None:
        """Return why the recorded run refused this reply; empty if it used it."""
        found = self._find(request)
        return None if found is None else found.refusal

    def _find(self, request: Request) -> _Entry | None:
        return self._at(request) if self.by_position else self._by_key.get((request.key, request.iteration))

    def _read(self) -> dict[_Position, list[_Entry]]:
        found: dict[_Position, list[_Entry]] = {}
        path = self._directory.path / FILE
        check_log(self._directory, path)
        for event in read_events(path):
            if isinstance(event, Replied):
                recorded = recorded_reply(event, path)
                entry = _Entry(recorded.key, event.request.call, recorded.reply, recorded.refusal)
                found.setdefault(_position(event.request), []).append(entry)
        return found

    def _at(self, request: Request) -> _Entry | None:
        entries = self._recorded.get(_position(request), [])
        return entries[request.turn] if request.turn < len(entries) else None

    def _whole(self, request: Request) -> str:
        """Say how the recorded run can be repeated, if what is asked for lies behind its end."""
        planned = self.recording.config.get("num_iterations")
        if planned is None or request.iteration <= planned:
            return ""
        return f"; {WHOLE} num_iterations={planned}, in another logdir"

    def _miss(self, request: Request) -> str:
        where = f"iteration {request.iteration}, {request.role}, attempt {request.attempt}"
        recorded = self._at(request)
        if recorded is None:
            if self._directory.is_complete:
                return f"{where}: the recorded run is complete and made no such call{self._whole(request)}"
            return f"{where}: the recorded run is unfinished and ends before this call; continue that one first"
        prompt = self._prompt(recorded.call)
        if prompt == request.prompt:
            return f"{where}: the prompt is the recorded one, but the model's settings are not"
        number, was, is_ = first_difference(prompt, request.prompt)
        return f"{where}: the prompt is not the recorded one; line {number} was {was!r}, is {is_!r}; {BY_POSITION}"

    def _prompt(self, call: int) -> str:
        events = read_events(self._directory.path / FILE)
        return next(event.prompt for event in events if isinstance(event, Requested) and event.call == call)


def recorded_run(name: str) -> RunDirectory:
    """Return the run that a model's name ``replay/<run dir>`` stands for.

    Raises:
        InputError: It is no run directory.
    """
    return _open(name.strip().removeprefix(PREFIX).strip())


def first_difference(one: str, other: str) -> tuple[int, str, str]:
    """Return the number, from 1, of the first line in which two texts differ, and both lines around that place."""
    for number, lines in enumerate(zip_longest(one.split("\n"), other.split("\n"), fillvalue=""), 1):
        if lines[0] != lines[1]:
            at = next(at for at, pair in enumerate(zip_longest(*lines)) if pair[0] != pair[1])
            return number, _around(lines[0], at), _around(lines[1], at)
    raise AssertionError("the texts are equal")


def _around(line: str, at: int) -> str:
    start = max(0, min(at - SHOWN_CHARACTERS // 3, len(line) - SHOWN_CHARACTERS))
    end = start + SHOWN_CHARACTERS
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"


def _position(request: Request | Requested) -> _Position:
    return request.iteration, request.role, request.sample, request.attempt


def _open(path: str) -> RunDirectory:
    if not path:
        raise InputError(f"{PREFIX!r} names no run; expected {PREFIX}<run dir>, e.g. {PREFIX}logs/x/run_1")
    try:
        return open_run(Path(path).expanduser())
    except InputError as error:
        raise InputError(f"cannot replay: {error}") from None
