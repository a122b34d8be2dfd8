"""What is said of the episodes of a policy: by a function that the model wrote once, or by plain statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from r2po.errors import RunStopped
from r2po.isolation.outcomes import Failure, PolicyFailed, WorkerNotReadyError
from r2po.methods.promptpo.options import Options
from r2po.methods.promptpo.statistics import describe
from r2po.methods.step import Step
from r2po.policies.code import Code
from r2po.policies.source import read_function
from r2po.prompts.rounds import feedback_prompt, repair_prompt
from r2po.rollout import EpisodeLost, Rollout
from r2po.trial import Candidate

REPAIRS = 3
"""How often in a run the function is sent back; then plain statistics take its place for good."""
_LOST = "(not known: the run was interrupted, and the policy did not do the same again)"


@dataclass(frozen=True)
class Feedback:
    """The function in use.

    Attributes:
        source: Its program; empty if plain statistics take its place.
        call: Address of the reply that it comes from.
        repairs: How often it was sent back.
        why: Why statistics take its place; empty if they do not.
    """

    source: str = ""
    call: str = ""
    repairs: int = 0
    why: str = ""

    @classmethod
    def noted(cls, records: Sequence[Mapping[str, Any]]) -> Feedback | None:
        """Return what the log says of it; None if it says nothing yet."""
        notes = [record["notes"]["feedback"] for record in records if "feedback" in record.get("notes", {})]
        return cls(**notes[-1]) if notes else None


class Summarizing:
    """Summaries of the episodes of policies, and the function's repairs.

    Args:
        step: The iteration.
        options: The search's options.
        reward_source: The reward as code, if prompts show it.
    """

    def __init__(self, step: Step, options: Options, reward_source: str) -> None:
        policy = step.brief.policy
        assert isinstance(policy, Code)
        self._step, self._policy = step, policy
        self._only = options.observations_only
        self._prompt = feedback_prompt(
            step.brief, observations_only=self._only, modules=policy.imports, reward_source=reward_source
        )
        known = Feedback.noted(step.records)
        self._feedback = self._asked("feedback", self._prompt, Feedback()) if known is None else known
        if known is None:
            self._note()

    def summaries(self, candidate: Candidate) -> list[str]:
        """Return a text for each episode of a candidate that works."""
        try:
            episodes = [candidate.rollouts[index] for index in range(len(candidate.rollouts))]
        except EpisodeLost:
            return [_LOST] * len(candidate.rollouts)
        before = self._feedback
        texts: list[str] | None = None
        while self._feedback.source and texts is None:
            texts = self._summarized(episodes)
        if self._feedback != before:
            self._note()
        return texts or [describe(episode, observations_only=self._only) for episode in episodes]

    def _summarized(self, episodes: Sequence[Rollout]) -> list[str] | None:
        """Return what the function says; None if it failed, and is another one by now."""
        try:
            with self._policy.summaries() as box:
                box.load(self._feedback.source, self._policy.signature)
                return [box.summarize(*self._parts(episode)) for episode in episodes]
        except PolicyFailed as failed:
            self._repair(failed.failure)
            return None
        except WorkerNotReadyError as error:
            raise RunStopped(str(error)) from None

    def _parts(self, episode: Rollout) -> list[bytes]:
        signature = self._policy.signature
        kinds = (
            np.int64 if signature.observation_size is None else np.float64,
            np.int64 if signature.discrete else np.float64,
            np.float64,
        )
        parts = (episode.observations, episode.actions, episode.rewards)[: 1 if self._only else 3]
        return [np.ascontiguousarray(part, kind).tobytes() for part, kind in zip(parts, kinds, strict=False)]

    def _repair(self, failure: Failure) -> None:
        """Send the function back; after ``REPAIRS`` times, give it up."""
        known = self._feedback
        if known.repairs == REPAIRS:
            self._feedback = replace(known, source="", call="", why=failure.line)
            return
        prompt = repair_prompt(self._step.brief, self._prompt, known.source, failure)
        self._feedback = self._asked("repair", prompt, replace(known, repairs=known.repairs + 1))

    def _asked(self, role: str, prompt: str, feedback: Feedback) -> Feedback:
        """Return the function that is the answer to a prompt."""
        (answer,) = self._step.try_each(role, [prompt], read_function)
        if answer.value is None:
            return replace(feedback, source="", call="", why=f"no usable reply: {answer.refusal}")
        return replace(feedback, source=answer.value, call=answer.key)

    def _note(self) -> None:
        self._step.note("feedback", asdict(self._feedback))
