"""One iteration as a method sees it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from r2po.isolation.constants import Constant
from r2po.isolation.outcomes import Failure
from r2po.llm.types import Asker, Question
from r2po.methods.asking import Answer, Ask, SolutionReader, T, Tried, run_together
from r2po.policies import Program, Solution
from r2po.policies.reply import read_text
from r2po.prompts import Brief, shown
from r2po.prompts.places import ends_of
from r2po.rollout import EvaluationFailed, Rollouts
from r2po.runlog.jsonl import dump
from r2po.trial import Candidate, Trial, moved

SAMPLE = "You were given this prompt before: this is number {}. Give an answer that differs from the earlier ones."

Read = Callable[[str], T]
"""Reads a reply; raises ``UnusableReply`` if it cannot."""


class Tuning(AbstractContextManager["Tuning"], Protocol):
    """Evaluations that tune the constants of programs."""

    def constants(self, program: Program, /) -> Sequence[Constant]:
        """Return the constants that a program declares.

        Raises:
            EvaluationFailed: What it declares are none.
        """

    def evaluate(self, program: Program, values: Sequence[float], number: int, /) -> Rollouts:
        """Roll out a program; ``values`` are those of its constants, ``number`` is that of the evaluation, from 1.

        Raises:
            EvaluationFailed: It does not work.
        """


@dataclass
class Step:
    """What a method may do in one iteration: ask, and evaluate. Everything else is done for it.

    Attributes:
        brief: The experiment's facts.
        history: All trials so far, oldest first.
        iteration: Number of the iteration, from 1.
        asker: Gets replies; asked by several threads at once.
        roll_out: Rolls out a solution: (solution, number of the candidate in this iteration) -> K rollouts. Raises
            ``EvaluationFailed`` if its policy does not work.
        clip: Whether solutions are clipped to what prompts ask for.
        seed: Seed of the run; a method that draws random numbers derives theirs from it.
        on_candidate: Called after each evaluation.
        max_concurrent_calls: How many calls may be under way at once.
        evaluation_workers: How many evaluations may be; ``roll_out`` is then called by several threads.
        records: The lines of all earlier iterations in the log, to be read only. What a method knows of them comes from
            here alone, so that a resumed run equals an uninterrupted one.
        config: The run's config, by key, for keys that only one method has.
        open_tuning: Opens a context in which constants of programs are tuned, for a number of evaluations; None where
            policies have none.
        candidates: The candidates of this iteration, in order.
        tuned: Lengths of the episodes of each evaluation that tuned constants, in order.
        notes: What the method notes in this iteration's line of the log, see ``note``.
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
    evaluation_workers: int = 1
    records: Sequence[Mapping[str, Any]] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    open_tuning: Callable[[int], Tuning] | None = None
    candidates: list[Candidate] = field(default_factory=list)
    tuned: list[NDArray[np.int64]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
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
        return self._ask(role, [prompt], read)[0]

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
        return self._ask(role, [prompt] * count, read)

    @overload
    def try_each(self, role: str, prompts: Sequence[str]) -> list[Tried[Solution]]: ...
    @overload
    def try_each(self, role: str, prompts: Sequence[str], read: Read[T]) -> list[Tried[T]]: ...
    def try_each(self, role: str, prompts: Sequence[str], read: Read[Any] | None = None) -> list[Tried[Any]]:
        """Ask all prompts at once, equal ones for a sample each; go on where no reply can be used.

        The answers come in the order of the prompts. Each prompt is asked again as in ``ask``, and then given up.

        Raises:
            RunStopped: No reply at all; the others were waited for, and are recorded.
        """
        asks = self._asks(role, prompts, read)
        return self._together(asks, [ask.attempt for ask in asks])

    def evaluate(self, answer: Answer[Solution], stage: str) -> Candidate:
        """Roll the answer's solution out K times; ``stage`` names the result.

        A policy that does not work is a candidate too: its ``failure`` says why, and it has no returns.
        """
        return self.evaluate_many([answer], [stage])[0]

    def evaluate_many(self, answers: Sequence[Answer[Solution]], stages: Sequence[str]) -> list[Candidate]:
        """Evaluate answers, each with the name of its stage; the candidates come in the order of the answers."""
        policy, first = self.brief.policy, len(self.candidates)
        solutions = [policy.clip(answer.value) if self.clip else answer.value for answer in answers]
        jobs = [partial(self._outcome, solution, number) for number, solution in enumerate(solutions, first)]
        at_once = self.evaluation_workers if len(jobs) > 1 else 1
        outcomes = run_together(jobs, at_once) if at_once > 1 else (job() for job in jobs)
        made = zip(answers, stages, solutions, outcomes, strict=True)
        for answer, stage, solution, (rollouts, failure) in made:
            candidate = Candidate(stage, solution, answer.value, answer.key, rollouts, failure=failure)
            self.candidates.append(candidate)
            self.on_candidate(candidate)
        return self.candidates[first:]

    def _outcome(self, solution: Solution, number: int) -> tuple[Rollouts, Failure | None]:
        try:
            return self.roll_out(solution, number), None
        except EvaluationFailed as failed:
            return Rollouts.unfinished(failed.lengths), failed.failure

    def try_constants(self, tuning: Tuning, program: Program, values: Sequence[float]) -> Rollouts:
        """Roll a program out for tuning; ``values`` are those of its constants. It is counted, and is no candidate.

        Raises:
            EvaluationFailed: It does not work.
        """
        try:
            rollouts = tuning.evaluate(program, values, len(self.tuned) + 1)
        except EvaluationFailed as failed:
            self.tuned.append(np.array(failed.lengths, np.int64))
            raise
        self.tuned.append(rollouts.lengths)
        return rollouts

    def give_up(self, solution: Solution, stage: str, failure: Failure) -> Candidate:
        """Add a candidate that was not evaluated, and say why; ``stage`` names it."""
        candidate = Candidate(stage, solution, solution, "", Rollouts.unfinished(()), failure=failure)
        self.candidates.append(candidate)
        self.on_candidate(candidate)
        return candidate

    def as_trial(self, candidate: Candidate) -> Trial:
        """Return the history entry that a candidate would become."""
        failure = candidate.failure.line if candidate.failure else ""
        return Trial(
            candidate.solution,
            shown(candidate, self.brief),
            candidate.reward,
            warmup=False,
            failure=failure,
            moved=moved(candidate.raw, candidate.solution),
        )

    def note(self, key: str, value: Any) -> None:
        """Note something in this iteration's line of the log, where later iterations find it in ``records``.

        Args:
            key: Its name.
            value: Anything that JSON can hold; it is kept as JSON gives it back.
        """
        self.notes[key] = json.loads(dump(value))

    def _ask(self, role: str, prompts: Sequence[str], read: Read[Any] | None) -> list[Answer[Any]]:
        asks = self._asks(role, prompts, read)
        return self._together(asks, asks)

    def _asks(self, role: str, prompts: Sequence[str], read: Read[Any] | None) -> list[Ask[Any]]:
        """Return what is asked, with the numbers of the samples, which are fixed before the first is sent."""
        policy = self.brief.policy
        schema = policy.schema() if self.brief.structured_output and read is None else None
        read = read or SolutionReader(policy, self._tried, strict=schema is not None)
        asks = []
        for prompt in prompts:
            sample = self._asked[prompt]
            self._asked[prompt] += 1
            question = Question(
                self.iteration, role, sample, 1, self._numbered(prompt, sample), schema, ends_of(prompt)
            )
            asks.append(Ask(self.asker, question, read))
        return asks

    def _together(self, asks: Sequence[Ask[Any]], jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Ask at once, and return what the jobs do."""
        started = time.monotonic()
        answers = run_together(jobs, self.max_concurrent_calls) if len(jobs) > 1 else [job() for job in jobs]
        self.calls += sum(ask.replies for ask in asks)
        # Side by side they take as long as the slowest, or longer if they had to wait for each other.
        waited = time.monotonic() - started if len(jobs) > 1 else 0.0
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
    """Return the candidate with the higher mean return; a tie goes to the second (R2PO: to the revision).

    One that failed loses against any that did not.
    """
    return first if first.reward > second.reward else second
