"""How long the prompts of a role are in a run, from those of its first iterations: in characters, and in tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from r2po.llm.tokens import features_of, token_range
from r2po.llm.types import Question


@dataclass(frozen=True)
class Tokens:
    """How many tokens prompts have: each pair is the fewest and the most, by tokenizer.

    Attributes:
        first: Those of the first prompt.
        characters: Its length.
        grown: Those of a character by which a later one is longer; they are mostly numbers.
    """

    first: tuple[int, int]
    characters: int
    grown: tuple[float, float]

    @classmethod
    def of(cls, first: str, later: str) -> Tokens:
        """Compare the first prompt with a later one; if that is hardly longer, the first tells all."""
        few, more = token_range(features_of(first)), token_range(features_of(later))
        further = len(later) - len(first)
        if further < len(first) // 10:
            return cls(few, len(first), _pair(each / max(len(first), 1) for each in few))
        return cls(few, len(first), _pair((most - least) / further for least, most in zip(few, more, strict=True)))

    def of_length(self, characters: int) -> tuple[float, float]:
        """Return those of a prompt of some length."""
        further = characters - self.characters
        return _pair(first + further * each for first, each in zip(self.first, self.grown, strict=True))


def _pair(values: Iterable[float]) -> tuple[float, float]:
    """Return two values."""
    fewest, most = values
    return fewest, most


@dataclass(frozen=True)
class Sizes:
    """How long the prompts of a role are, in characters.

    Attributes:
        first: In the first iteration that has them, with the rollouts that were made.
        longest: The same with rollouts as long as can be.
        growth: What each further iteration adds.
        once: What earlier iterations add that does not grow with their number: excerpts of the latest rollouts.
        at_first: How many there are in the first iteration of the run.
        later: How many in each later one.
        tokens: How many tokens they have.
    """

    first: int
    longest: int
    growth: int
    once: int
    at_first: int
    later: int
    tokens: Tokens

    def last(self, iterations: int, *, longest: bool) -> int:
        """Return the length in the last iteration."""
        grown = self.growth * (iterations - (1 if self.at_first else 2))
        return max(self.first, self.longest if longest else 0) + grown + (self.once if iterations > 1 else 0)

    def prompts(self, iterations: int) -> int:
        """Return how many there are in a run."""
        return self.at_first + self.later * (iterations - 1)


def sizes_of(
    asked: Sequence[Question],
    longest: Sequence[Question],
    before: Sequence[Question],
    later: Sequence[Question],
    between: int,
    further: int,
) -> dict[str, Sizes]:
    """Compare the questions of the first iteration with those of later ones.

    Args:
        asked: Those of the first iteration.
        longest: The same with long rollouts.
        before: The same after ``between`` further trials.
        later: Those of the second iteration, after ``between + further`` further trials.
        between: How many trials lie between the first two.
        further: How many lie between the last two.
    """
    sizes: dict[str, Sizes] = {}
    for role in dict.fromkeys(question.role for question in [*asked, *later]):
        now, first, start, after = (_size(questions, role) for questions in (asked, longest, before, later))
        growth = once = 0
        if now and start and after:
            growth = max(after - start, 0) // further
            if further > 1 and sizes:  # it shows the history, as other roles do, besides what hides how it grows
                growth = max(growth, *(each.growth for each in sizes.values()))
            once = max(start - first - between * growth, 0)
        elif not now:  # it shows the history, as other roles do
            growth = max((each.growth for each in sizes.values()), default=0)
        at_first, in_later = (sum(question.role == role for question in questions) for questions in (asked, later))
        tokens = Tokens.of(_longest(asked, role) or _longest(later, role), _longest(later, role))
        sizes[role] = Sizes(now or after, first or after, growth, once, at_first, in_later, tokens)
    return sizes


def _longest(questions: Sequence[Question], role: str) -> str:
    """Return a role's longest prompt; empty if it has none."""
    return max((question.prompt for question in questions if question.role == role), key=len, default="")


def _size(questions: Sequence[Question], role: str) -> int:
    """Return the length of a role's longest prompt; 0 if it has none."""
    return len(_longest(questions, role))
