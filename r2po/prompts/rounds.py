"""The prompts of PromptPO, whose history is the policy that each round kept, with what came of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from r2po.isolation.constants import MOST
from r2po.isolation.episode import IMPORTS
from r2po.isolation.limits import SOURCE_BYTES, SUMMARY_CHARACTERS, Limits
from r2po.isolation.outcomes import Failure
from r2po.prompts.brief import Brief
from r2po.prompts.numbers import fixed
from r2po.prompts.places import Marked, ends_of, in_prompt
from r2po.prompts.rendering import render

_FENCES = re.compile(r"`{3,}")


@dataclass(frozen=True)
class Round:
    """A round of the search, as prompts show it.

    Attributes:
        number: From 1.
        source: The policy that was kept; empty if none worked.
        returns: Its K returns.
        success: Fraction of its episodes that succeeded; None if the task does not tell.
        summaries: What is said of its episodes, in order.
        reflection: What was said of it later; empty if nothing was.
        failures: Why candidates failed, one line each.
        remark: How the policy came about, beside an answer; empty if there is nothing to say.
    """

    number: int
    source: str = ""
    returns: tuple[float, ...] = ()
    success: float | None = None
    summaries: tuple[str, ...] = ()
    reflection: str = ""
    failures: tuple[str, ...] = ()
    remark: str = ""

    @property
    def score(self) -> tuple[float, ...]:
        """What rounds are compared by, like ``Candidate.score``; empty, which is least, if none worked."""
        if not self.source:
            return ()
        mean = sum(self.returns) / len(self.returns)
        return (mean,) if self.success is None else (self.success, mean)


@dataclass(frozen=True)
class Rounds:
    """All rounds so far, and how many of them prompts show in full.

    Attributes:
        rounds: In order.
        last: How many of the latest ones are shown in full.
        best: How many of the best ones are; with None, all rounds are.
    """

    rounds: Sequence[Round]
    last: int
    best: int | None

    @property
    def ranked(self) -> list[Round]:
        """The rounds that kept a policy, best first; of equals, the earlier."""
        return sorted((each for each in self.rounds if each.source), key=lambda each: each.score, reverse=True)

    @property
    def best_number(self) -> int:
        """Number of the best round; 0 if no policy worked."""
        return next((each.number for each in self.ranked), 0)

    @property
    def kept(self) -> Round | None:
        """The latest round that kept a policy."""
        return next((each for each in reversed(self.rounds) if each.source), None)

    def in_full(self) -> Collection[int]:
        """Return the numbers of the rounds to show in full."""
        if self.best is None:
            return {each.number for each in self.rounds}
        working = [each for each in self.rounds if each.source]
        latest = working[len(working) - self.last :] if self.last < len(working) else working
        return {each.number for each in [*latest, *self.ranked[: max(self.best, 1)]]}

    def write(self) -> Marked:
        """Write the history: every round, some in a line, oldest first.

        Unless all are shown in full, later prompts show some of these rounds in another way.
        """
        full = self.in_full()
        entries = [_entry(each) if each.number in full else _line(each) for each in self.rounds]
        ends = accumulate(len(entry) + 1 for entry in entries) if self.best is None else (1,)
        return Marked("\n".join(entries), (end - 1 for end in ends))


def round_prompt(
    brief: Brief,
    rounds: Rounds,
    *,
    iteration: int,
    candidates: int,
    reward_source: str = "",
    spent: int = 0,
    evaluations: int | None = None,
    tuned: bool = False,
) -> str:
    """Write the prompt that all candidates of a round answer.

    Args:
        brief: The experiment's facts.
        rounds: The rounds before.
        iteration: Number of this one.
        candidates: How many answers are tried.
        reward_source: The reward as Python code; empty to tell it in words only.
        spent: Evaluations that the rounds before took.
        evaluations: How many there are; None if not they but the rounds are counted.
        tuned: Whether constants of the policies are tuned.
    """
    last = rounds.rounds[-1] if rounds.rounds else None
    history = rounds.write()
    text = render(
        "promptpo_tuned_search.j2" if tuned else "promptpo_search.j2",
        brief,
        history=history,
        best=rounds.best_number,
        failures=_counted(last.failures) if last and not last.source else (),
        iteration=iteration,
        candidates=candidates,
        reward_source=reward_source,
        spent=spent,
        evaluations=evaluations,
        most_constants=MOST,
    )
    return in_prompt(text, history)


def feedback_prompt(brief: Brief, *, observations_only: bool, modules: Sequence[str], reward_source: str = "") -> str:
    """Write the prompt that asks for the function which summarizes an episode.

    Args:
        brief: The experiment's facts.
        observations_only: Whether it is given nothing but the observations.
        modules: Packages that it may import beside the usual modules.
        reward_source: The reward as Python code; empty to tell it in words only.
    """
    names = {name.partition(".")[0] for name in [*IMPORTS, *modules]} - {"__future__"}
    return render(
        "promptpo_feedback.j2",
        brief,
        observations_only=observations_only,
        reward_source=reward_source,
        modules=sorted(names),
        characters=f"{SUMMARY_CHARACTERS:,}",
        bytes=SOURCE_BYTES,
        limits=Limits(),
    )


def reflection_prompt(brief: Brief, rounds: Rounds, *, reward_source: str = "") -> str:
    """Write the prompt that asks for a reflection on the policy that was kept last."""
    kept = rounds.kept
    assert kept is not None
    history = rounds.write()
    text = render(
        "promptpo_reflection.j2",
        brief,
        history=history,
        last=kept.number,
        best=rounds.best_number,
        reward_source=reward_source,
    )
    return in_prompt(text, history)


def repair_prompt(brief: Brief, base: str, source: str, failure: Failure) -> str:
    """Write the prompt that asks to repair a program which answered the prompt ``base`` and failed."""
    text = render("promptpo_repair.j2", brief, base=base, program=fenced(source), failure=failure)
    return Marked(text, ends_of(base) if text.startswith(base.rstrip()) else ())


def fenced(source: str) -> str:
    """Return a source as a block of code, whatever it contains."""
    longest = max(map(len, _FENCES.findall(source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{source}\n{fence}"


def _line(each: Round) -> str:
    return f"Round {each.number}: {_result(each)}"


def _entry(each: Round) -> str:
    if not each.source:
        return _line(each)
    lines = [_line(each), fenced(each.source)]
    if len(each.returns) > 1:
        lines.append(f"Returns of its episodes: {', '.join(map(fixed, each.returns))}")
    if each.remark:
        lines.append(each.remark)
    lines += [f"Episode {number}: {text}" for number, text in enumerate(each.summaries, 1)]
    if each.reflection:
        lines.append(f"Reflection: {each.reflection}")
    return "\n".join([*lines, ""])


def _result(each: Round) -> str:
    if not each.source:
        return f"no policy worked: {'; '.join(dict.fromkeys(_briefly(failure) for failure in each.failures))}"
    success = "" if each.success is None else f"success {fixed(each.success)}, "
    return f"{success}mean return {fixed(sum(each.returns) / len(each.returns))}"


def _counted(failures: Sequence[str]) -> list[str]:
    """Return the distinct failures, and how many failed so."""
    times = Counter(failures)
    return [failure if count == 1 else f"{failure} ({count} times)" for failure, count in times.items()]


def _briefly(failure: str) -> str:
    """Return the first words of a failure."""
    return " ".join(failure.split()[:3])
