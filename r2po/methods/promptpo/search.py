"""A round of a search for programs: what is asked, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from r2po.isolation.outcomes import Failure
from r2po.methods.asking import MAX_REASKS, Answer, Tried
from r2po.methods.promptpo.equality import first_of_equals
from r2po.methods.promptpo.log import REPAIR, rounds_of
from r2po.methods.promptpo.options import Options, spent
from r2po.methods.step import Step
from r2po.policies import Program, Solution
from r2po.policies.reply import read_text
from r2po.prompts.rounds import Rounds, reflection_prompt, repair_prompt, round_prompt
from r2po.trial import Candidate


class Search:
    """A round under way."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.options = options = Options.of(step.config)
        self.reward_source = step.brief.task.reward_source if options.reward_source else ""
        self._rounds = rounds_of(step.records)
        self._spent = spent(step.records, step.brief.num_evaluation_episodes)
        left = self.left
        self._count = options.candidates if left is None else min(options.candidates, left)

    @property
    def rounds(self) -> Rounds:
        """The rounds before, as prompts show them."""
        return Rounds(self._rounds, self.options.last, self.options.best)

    def reflect(self) -> None:
        """Ask for a reflection on the policy that was kept last, unless there is one."""
        kept = self.rounds.kept
        if not self.options.reflection or kept is None or kept.reflection:
            return
        prompt = reflection_prompt(self.step.brief, self.rounds, reward_source=self.reward_source)
        (answer,) = self.step.try_each("reflection", [prompt], read_text)
        text = answer.value or ""
        self.step.note("reflection", {"of": kept.number, "text": text, "call": answer.key})
        self._rounds = [replace(each, reflection=text) if each is kept else each for each in self._rounds]

    def prompt(self) -> str:
        """Return the prompt that all candidates answer."""
        return round_prompt(
            self.step.brief,
            self.rounds,
            iteration=self.step.iteration,
            candidates=self._count,
            reward_source=self.reward_source,
            spent=self._spent,
            evaluations=self.options.evaluations,
            tuned=self.options.tune_evaluations > 0,
        )

    def kept(self) -> Candidate | None:
        """Ask for all candidates, have those that fail repaired, and return the best; None if none works."""
        prompt = self.prompt()
        candidates = self.first_tries(prompt)
        candidates += self.repairs(prompt, candidates)
        working = [candidate for candidate in candidates if candidate.failure is None]
        return max(working, key=lambda candidate: candidate.score, default=None)  # of equals, the first

    def first_tries(self, prompt: str) -> list[Candidate]:
        """Ask for all candidates at once and evaluate them; equal programs are evaluated once."""
        answers = self.step.try_each("search", [prompt] * self._count)
        stages = [f"candidate_{number}" for number in range(1, self._count + 1)]
        places = [place for place, answer in enumerate(answers) if answer.value is not None]
        first = first_of_equals([_source(answers[place]) for place in places])
        equal = {stages[places[own]]: stages[places[other]] for own, other in enumerate(first) if other != own}
        if equal:
            self.step.note("equal", equal)
        new = [place for place, stage in enumerate(stages) if stage not in equal]
        return self._candidates([answers[place] for place in new], [stages[place] for place in new])

    def repairs(self, prompt: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Send the programs that failed back, all of them at once, until they work or the repairs are used up."""
        made: list[Candidate] = []
        broken = [candidate for candidate in candidates if _is_mendable(candidate)]
        for attempt in range(1, self.options.repairs + 1):
            broken = broken[: self.left]
            if not broken:
                break
            prompts = [repair_prompt(self.step.brief, prompt, *_what_failed(candidate)) for candidate in broken]
            answers = self.step.try_each("repair", prompts)
            stages = [f"{candidate.stage.split(REPAIR)[0]}{REPAIR}{attempt}" for candidate in broken]
            tried = self._candidates(answers, stages)
            made += tried
            broken = [candidate for candidate in tried if _is_mendable(candidate)]
        return made

    @property
    def left(self) -> int | None:
        """How many evaluations are left; None if there is no limit."""
        if self.options.evaluations is None:
            return None
        return self.options.evaluations - self._spent - sum(map(_is_evaluation, self.step.candidates))

    def _candidates(self, answers: Sequence[Tried[Solution]], stages: Sequence[str]) -> list[Candidate]:
        """Evaluate what could be read; the rest comes after it, as failures."""
        read = {stage: answer for stage, answer in zip(stages, answers, strict=True) if answer.value is not None}
        usable = [Answer(cast("Solution", answer.value), answer.key) for answer in read.values()]
        made = self.step.evaluate_many(usable, list(read))
        for stage, answer in zip(stages, answers, strict=True):
            if stage not in read:
                text = f"no usable reply in {MAX_REASKS + 1} attempts; the last one: {answer.refusal}"
                made.append(self.step.give_up(Program(""), stage, Failure("policy", text)))
        return made


def _source(answer: Tried[Solution]) -> str:
    assert isinstance(answer.value, Program)
    return answer.value.source


def _is_evaluation(candidate: Candidate) -> bool:
    """Whether a candidate was rolled out at all: one that could not be loaded was not."""
    return bool(len(candidate.rollouts.lengths))


def _is_mendable(candidate: Candidate) -> bool:
    """Whether a candidate failed and has a program that can be sent back."""
    return candidate.failure is not None and bool(_what_failed(candidate)[0])


def _what_failed(candidate: Candidate) -> tuple[str, Failure]:
    assert isinstance(candidate.raw, Program)
    assert candidate.failure is not None
    return candidate.raw.source, candidate.failure
