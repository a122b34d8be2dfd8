"""One iteration as a method sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from r2po.errors import RunStopped
from r2po.llm.types import Asker, Question
from r2po.policies import Solution
from r2po.prompts import Brief
from r2po.rollout import Rollouts
from r2po.trial import Candidate, Trial

MAX_REASKS = 5


@dataclass(frozen=True)
class Answer:
    """A solution to evaluate. ``key`` names the reply in the call store that they were read from, if they were."""

    value: Solution
    key: str = ""


@dataclass
class Step:
    """What a method may do in one iteration: ask, and evaluate. Everything else is done for it.

    Attributes:
        brief: The experiment's facts.
        history: All trials so far, oldest first.
        iteration: Number of the iteration, from 1.
        asker: Gets replies.
        roll_out: Rolls out a solution: (solution, number of the candidate in this iteration) -> K rollouts.
        clip: Whether solutions are clipped to what prompts ask for.
        seed: Seed of the run; a method that draws random numbers derives theirs from it.
        on_candidate: Called after each evaluation.
        candidates: The candidates of this iteration, in order.
        calls: Replies that were handed out, recorded and unusable ones included.
        llm_s: Seconds that these replies took when they came.
    """

    brief: Brief
    history: Sequence[Trial]
    iteration: int
    asker: Asker
    roll_out: Callable[[Solution, int], Rollouts]
    clip: bool
    seed: int = 0
    on_candidate: Callable[[Candidate], None] = lambda _: None
    candidates: list[Candidate] = field(default_factory=list)
    calls: int = 0
    llm_s: float = 0.0
    _asked: Counter[str] = field(default_factory=Counter)

    def ask(self, role: str, prompt: str) -> Answer:
        """Ask for a solution; ask again, saying what was wrong, while the reply is unusable.

        Replies on record from a run that stopped here do not count: a resumed run has all attempts again.

        Raises:
            RunStopped: No usable reply after ``MAX_REASKS`` further attempts, or no reply at all.
        """
        sample = self._asked[prompt]
        self._asked[prompt] += 1
        complaint, attempt, fresh = "", 0, 0
        while fresh <= MAX_REASKS:
            attempt += 1
            question = Question(self.iteration, role, sample, attempt, prompt + complaint, self._schema)
            reply = self.asker.ask(question, self.brief.policy.read)
            self.calls += 1
            self.llm_s += reply.latency_s
            if reply.value is not None:
                return Answer(reply.value, reply.key)
            fresh += reply.fresh
            complaint = f"\n\nYour previous reply could not be used: {reply.refusal}. Keep to the reply format.\n"
        raise RunStopped(
            f"iteration {self.iteration}, {role}: no usable reply in {attempt} attempts; the last one: {reply.refusal}"
        )

    def evaluate(self, answer: Answer, stage: str) -> Candidate:
        """Roll the answer's solution out K times, and call the result by the name of its stage."""
        solution = self.brief.policy.clip(answer.value) if self.clip else answer.value
        rollouts = self.roll_out(solution, len(self.candidates))
        candidate = Candidate(stage, solution, answer.value, answer.key, rollouts)
        self.candidates.append(candidate)
        self.on_candidate(candidate)
        return candidate

    def as_trial(self, candidate: Candidate) -> Trial:
        """Return the history entry that a candidate would be."""
        text = self.brief.policy.write(candidate.solution)
        return Trial(candidate.solution, text, candidate.reward, warmup=False)

    @property
    def _schema(self) -> dict[str, Any] | None:
        return self.brief.policy.schema() if self.brief.structured_output else None


def keep_best(first: Candidate, second: Candidate) -> Candidate:
    """Return the candidate with the higher mean return; a tie goes to the second (R2PO: to the revision)."""
    return first if first.reward > second.reward else second
