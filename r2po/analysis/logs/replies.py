"""Prompts and replies of a run, by iteration, whichever format it was read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from r2po.analysis.logs.published_episode import read_turns
from r2po.analysis.logs.run_data import RunData
from r2po.errors import InputError
from r2po.runlog import RunDirectory
from r2po.runlog.events import Call, iterate_calls
from r2po.runlog.intact import check_log


@dataclass(frozen=True)
class Exchange:
    """A question of a role ("search", "critic", ...) in an iteration, from 1, and the reply that was used.

    The prompt is empty if it was not asked for. Of it, the published code's logs may hold only a part.
    """

    iteration: int
    role: str
    prompt: str
    text: str


class RunReplies:
    """The used replies of one run; read when first asked for, in the published format one iteration at a time.

    Our logs give prompts only with ``prompts``: those of a long run take hundreds of megabytes.
    """

    def __init__(self, run: RunData, *, prompts: bool = False) -> None:
        self.run = run
        self._prompts = prompts

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
        """The used replies, and why they cannot be read."""
        try:
            check_log(RunDirectory(self.run.path), RunDirectory(self.run.path).calls)
            used = (call for call in iterate_calls(self.run.path) if call.reply is not None and not call.refusal)
            return [call if self._prompts else replace(call, prompt="", thinking="") for call in used], ""
        except (InputError, OSError) as error:
            return [], str(error)

    @cached_property
    def _own(self) -> dict[int, tuple[Exchange, ...]]:
        replies: dict[int, tuple[Exchange, ...]] = {}
        calls, _ = self._calls
        for call in sorted(calls, key=lambda call: (call.iteration, call.role != "search", call.sample, call.attempt)):
            reply = Exchange(call.iteration, call.role, call.prompt, call.reply or "")
            replies[call.iteration] = (*replies.get(call.iteration, ()), reply)
        return replies
