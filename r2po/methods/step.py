"""One iteration as a method sees it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from r2po.llm.types import Asker, Question
from r2po.methods.asking import Answer, Ask, SolutionReader, T, run_together
from r2po.policies import Solution
from r2po.policies.reply import read_text
from r2po.prompts import Brief, shown
from r2po.rollout import Rollouts
from r2po.trial import Candidate, Trial

SAMPLE = "You were given this prompt before: this is number {}. Give an answer that differs from the earlier ones."

Read = Callable[[str], T]
"""Reads a reply; raises ``UnusableReply`` if it cannot."""


@dataclass
class Step:
    """What a method may do in one iteration: ask, and evaluate. Everything else is done for it.

    Attributes:
        brief: The experiment's facts.
        history: All trials so far, oldest first.
        iteration: Number of the iteration, from 1.
        asker: Gets replies; asked by several threads at once.
        roll_out: Rolls out a solution: (solution, number of the candidate in this iteration) -> K rollouts.
        clip: Whether solutions are clipped to what prompts ask for.
        seed: Seed of the run; a method that draws random numbers derives theirs from it.
        on_candidate: Called after each evaluation.
        max_concurrent_calls: How many calls may be under way at once.
        candidates: The candidates of this iteration, in order.
        calls: Replies handed out, recorded and unusable ones included.
        llm_s: Seconds spent waiting for them; recorded ones count with the time they took originally.
    """

    brief: Brief
    history: Sequence[Trial]
    iteration: int
    asker: Asker
    roll_out: Callable[[Solution, int], Rollouts]
    clip: bool
    seed: int = 0
    on_candidate: Callable[[Candidate], None] = lambda _: None
    max_concurrent_calls: int = 10
    candidates: list[Candidate] = field(default_factory=list)
    calls: int = 0
    llm_s: float = 0.0
    _asked: Counter[str] = field(default_factory=Counter)

    @overload
    def ask(self, role: str, prompt: str) -> Answer[Solution]: ...
    @overload
    def ask(self, role: str, prompt: str, read: Read[T]) -> Answer[T]: ...
    def ask(self, role: str, prompt: str, read: Read[Any] | None = None) -> Answer[Any]:
        """Ask for a solution, or for what ``read`` reads; ask again while the reply is unusable.

        A reply that was cut off is unusable, unless ``read`` has a method ``read_cut``, which then reads it.

        Raises:
            RunStopped: No usable reply after all attempts, or no reply at all.
        """
        return self._ask(role, prompt, 1, read)[0]

    def ask_text(self, role: str, prompt: str) -> Answer[str]:
        """Ask for a text, as ``ask`` does; any that is not empty will do."""
        return self.ask(role, prompt, read_text)

    @overload
    def ask_many(self, role: str, prompt: str, count: int) -> list[Answer[Solution]]: ...
    @overload
    def ask_many(self, role: str, prompt: str, count: int, read: Read[T]) -> list[Answer[T]]: ...
    def ask_many(self, role: str, prompt: str, count: int, read: Read[Any] | None = None) -> list[Answer[Any]]:
        """Ask for ``count`` samples of a prompt at once, each until its reply can be used.

        The answers come in the order of the samples, whatever order the replies come in.

        Raises:
            RunStopped: As in ``ask``, for the first sample that failed; the others were waited for, and are recorded.
        """
        return self._ask(role, prompt, count, read)

    def evaluate(self, answer: Answer[Solution], stage: str) -> Candidate:
        """Roll the answer's solution out K times; ``stage`` names the result."""
        policy = self.brief.policy
        solution = policy.clip(answer.value) if self.clip else answer.value
        rollouts = self.roll_out(solution, len(self.candidates))
        candidate = Candidate(stage, solution, answer.value, answer.key, rollouts)
        self.candidates.append(candidate)
        self.on_candidate(candidate)
        return candidate

    def evaluate_many(self, answers: Sequence[Answer[Solution]], stages: Sequence[str]) -> list[Candidate]:
        """Evaluate answers one after the other, each with the name of its stage."""
        return [self.evaluate(answer, stage) for answer, stage in zip(answers, stages, strict=True)]

    def as_trial(self, candidate: Candidate) -> Trial:
        """Return the history entry that a candidate would become."""
        return Trial(candidate.solution, shown(candidate, self.brief), candidate.reward, warmup=False)

    def _ask(self, role: str, prompt: str, count: int, read: Read[Any] | None) -> list[Answer[Any]]:
        policy = self.brief.policy
        schema = policy.schema() if self.brief.structured_output and read is None else None
        read = read or SolutionReader(policy, self._tried, strict=schema is not None)
        # The numbers of the samples are fixed before the first is sent.
        first = self._asked[prompt]
        self._asked[prompt] += count
        asks = [
            Ask(self.asker, Question(self.iteration, role, sample, 1, self._numbered(prompt, sample), schema), read)
            for sample in range(first, first + count)
        ]
        started = time.monotonic()
        answers = run_together(asks, self.max_concurrent_calls) if count > 1 else [ask() for ask in asks]
        self.calls += sum(ask.replies for ask in asks)
        # Side by side they take as long as the slowest, or longer if they had to wait for each other.
        waited = time.monotonic() - started if count > 1 else 0.0
        self.llm_s += max([waited, *(ask.seconds for ask in asks)])
        return answers

    def _numbered(self, prompt: str, sample: int) -> str:
        """Return the prompt of a sample; a greedy model answers the same to the same prompt, whatever the seed."""
        if not sample or not self.brief.number_samples:
            return prompt
        return f"{prompt}\n\n{SAMPLE.format(sample + 1)}\n"

    def _tried(self) -> list[Solution]:
        """Return the solutions of the history and of this iteration, which a reply may quote."""
        return [trial.shown for trial in self.history] + [shown(each, self.brief) for each in self.candidates]


def keep_best(first: Candidate, second: Candidate) -> Candidate:
    """Return the candidate with the higher mean return; a tie goes to the second (R2PO: to the revision)."""
    return first if first.reward > second.reward else second
