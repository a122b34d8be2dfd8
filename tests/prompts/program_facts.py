"""What prompts tell that ask for programs: each line as a whole, with ``<X>`` and the like for the numbers of a case.

A prompt must have each line of its list, and no other. Lines between two headings may also be data, named ``<data>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """An environment, with what prompts tell of its spaces."""

    environment: str
    gym_id: str
    obs: str
    action: str
    target: str
    tau: str


CASES = (
    Case(
        "cartpole",
        "CartPole-v1",
        "a NumPy vector of 4 float64 numbers, obs[0] to obs[3]",
        "a whole number from 0 to 1",
        "500",
        "480",
    ),
    Case(
        "mountaincarcontinuous",
        "MountainCarContinuous-v0",
        "a NumPy vector of 2 float64 numbers, obs[0] to obs[1]",
        "a list or vector of 1 finite number; the number alone will do",
        "100",
        "97",
    ),
    Case("nim", "Nim-v0", "a whole number (int)", "a whole number from 1 to 3", "1", "0.95"),
)

POLICY = """A policy is a Python program that defines one class:
class Policy:
    def __init__(self):
        ...  # called once at the start of every episode
    def act(self, obs):
        ...  # called once in every step; returns the action
- obs is the state s: <obs>. It is a copy, which you may change.
- act returns the action: <action>.
- Every episode has its own Policy object, and the program is run anew for it. So a policy may remember what it saw in \
its episode, but nothing passes from one episode to another.
- You may import abc, array, bisect, cmath, collections, contextlib, copy, dataclasses, decimal, enum, fractions, \
functools, heapq, itertools, math, numbers, numpy, operator, random, re, statistics, string, types, typing, warnings, \
and nothing else. There are no files, no network, no clock and no environment to try things in. random and \
numpy.random are seeded for every episode.
- The program may have 32,000 bytes. Loading it may take 10 s, one step of all episodes together 10 s, and all \
episodes together 60 s of CPU time and 1024 MB of memory.
- A policy fails if its program cannot be read, raises an exception, returns what is no action, or breaks a limit. One \
failure in any episode ends its trial: it then has no return at all."""

REPLY = """Your reply holds the whole program in one fenced block, in this form:
```python
class Policy:
    ...
```
Below it, write <account>. Give no second block of code: only the last one that defines a policy counts."""

SEARCH = {
    "": "You are a skilled optimizer of policies for reinforcement learning. Find the policy that is optimal in the "
    "environment below: in every iteration you propose a policy, it is tried in the environment, and you see its "
    "episodic return, f(policy).",
    "Policy": POLICY,
    "How to search": "- You have <N> iterations. The history below may begin with trials made before the first; in "
    "each iteration you answer with a policy to try, and you are told the value of f and the number of the iteration, "
    "until all <N> are used up. Aim at the highest value of f.\n"
    "- The optimum of f is around <target>. A value below that is only a local optimum: then explore, before you "
    "exploit.\n"
    "- Never propose a policy again that stands in the history.",
    "Reply format": REPLY.replace("<account>", "a detailed reason for it"),
    "Now": "This is iteration <t> of <N>. Answer with the next policy in the reply format, and add nothing else.",
}

FAILED = {
    "": "You optimize a policy in a reinforcement-learning task. The policy at the end of this prompt has just been "
    "tried, and it failed: find out why, and give one that works and earns as much as possible.",
    "Policy": POLICY,
    "How to revise": "- Target: a mean return around <target>.\n"
    "- The failure below says where the program stopped and why. Correct the cause, not only the line that is named.\n"
    "- Look for other places in the program that could fail in the same way, also in states that it has not met yet.\n"
    "- Keep the parts of the policy that make sense.",
    "Reply format": REPLY.replace("<account>", "what was wrong and what you changed"),
}

REVISION = {
    "": "You optimize a policy in a reinforcement-learning control task. The policy at the end of this prompt has just "
    "been tried: review what came of it, reflect on it, and improve it.",
    "Policy": POLICY,
    "How to revise": "- Target: a mean return around <target>.\n"
    "- Think it through in four steps before you write. First: do the statistics of returns and lengths show "
    "systematic or occasional failures? Second: which dimensions of the state, and which responses to them, go with "
    "what the median rollout shows? Third: keep the behaviour that agrees with the better of the aggregate numbers. "
    "Fourth: change only the parts of the policy that are most to blame for instability or weak results.\n"
    "- Let the statistics decide whether the policy is always weak or fails only sometimes.\n"
    "- If the success rate is high already, do not overfit to the rollout that is shown.\n"
    "- Take the median rollout as evidence of typical behaviour, and keep the changes focused.\n"
    "- Revision rule: if the mean return is <tau> or more, prefer to change nothing, or to make one tiny edit that is "
    "well justified.",
    "Reply format": REPLY.replace("<account>", "what you changed and why"),
}

PROMPTS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("props", "search"): SEARCH,
    ("propsp", "search"): SEARCH,
    ("r2po", "search"): SEARCH,
    ("r2po", "critic"): REVISION,
    ("r2po", "failed"): FAILED,
}
"""What stands under each heading, by method and kind of prompt. What is under other headings depends on the run."""


def sections(prompt: str) -> dict[str, str]:
    """Return what stands under each heading of a prompt, without blank lines; under "" what stands before the first."""
    parts = re.split(r"^# (.+)$", f"\n{prompt}", flags=re.MULTILINE)
    named = zip(["", *parts[1::2]], parts[0::2], strict=True)
    return {name: "\n".join(_lines(text)) for name, text in named}


def _lines(text: str) -> Sequence[str]:
    return [line for line in text.split("\n") if line.strip()]


def filled(text: str, case: Case, **numbers: object) -> str:
    """Return a text with the numbers of a case."""
    values = {"obs": case.obs, "action": case.action, "target": case.target, "tau": case.tau, **numbers}
    for name, value in values.items():
        text = text.replace(f"<{name}>", str(value))
    return text
