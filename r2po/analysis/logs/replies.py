"""Prompts and replies of a run, by iteration, whichever format it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from r2po.analysis.logs.published_episode import read_turns
from r2po.analysis.logs.run_data import RunData
from r2po.errors import InputError
from r2po.runlog.events import Call, read_calls


@dataclass(frozen=True)
class Exchange:
    """A question of a role ("search", "critic", ...) in an iteration, from 1, and the reply that was used.

    Of the prompt, the published code's logs may hold only a part.
    """

    iteration: int
    role: str
    prompt: str
    text: str


class RunReplies:
    """The used replies of one run; read when first asked for, in the published format one iteration at a time."""

    def __init__(self, run: RunData) -> None:
        self.run = run

    def of(self, iteration: int) -> tuple[Exchange, ...]:
        """Return the replies of an iteration, in the order in which they were asked for; none if the log has none."""
        if self.run.origin == "r2po":
            return self._own.get(iteration, ())
        facts = self.run.facts
        first, later = next(iter(facts["roles"]), "search"), facts["pair"]["role"] if facts["pair"] else "critic"
        turns = read_turns(self.run.path / f"episode_{iteration - 1}")
        return tuple(
            Exchange(iteration, later if number else first, turn.prompt, turn.reply)
            for number, turn in enumerate(turns)
        )

    def critic(self, iteration: int) -> Exchange | None:
        """Return the critic's reply in an iteration; None if there is none."""
        return next((reply for reply in self.of(iteration) if reply.role == "critic"), None)

    @property
    def problem(self) -> str:
        """One line that says why there are no replies; empty if there is nothing to say."""
        return self._calls[1] if self.run.origin == "r2po" else ""

    @cached_property
    def _calls(self) -> tuple[list[Call], str]:
        """The calls, and why they cannot be read."""
        try:
            return read_calls(self.run.path), ""
        except (InputError, OSError) as error:
            return [], str(error)

    @cached_property
    def _own(self) -> dict[int, tuple[Exchange, ...]]:
        replies: dict[int, tuple[Exchange, ...]] = {}
        calls, _ = self._calls
        for call in sorted(calls, key=lambda call: (call.iteration, call.role != "search", call.sample, call.attempt)):
            if call.reply is not None and not call.refusal:
                reply = Exchange(call.iteration, call.role, call.prompt, call.reply)
                replies[call.iteration] = (*replies.get(call.iteration, ()), reply)
        return replies
