"""The embedded stand-in ``embedded/code``: no language model, but a proposer of programs from a few templates.

Like ``embedded/search`` it reads nothing but the prompt, and the same request always gets the same answer. It answers
everything that methods ask for where policies are programs: policies, repairs, a function that summarizes episodes, and
reflections. So that everything that can go wrong does, some of its answers are wrong on purpose: which ones follows
from the number of the sample and the prompt. Its results say nothing about any language model.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np

from r2po.llm.providers.embedded_programs import FAULTS, MARK, Form, Plan, mutated, new_plan, write_program
from r2po.llm.types import AttemptFailed, Provider, Reply, Request
from r2po.llm.usage import Usage

NAME = "embedded/code"

_NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_RESULT = re.compile(
    rf"(?:mean return|[Rr]eward:|Mean return:|f\(policy\):|^(?:Trial \d+(?: \(warm-up\))?: )?f =) {_NUMBER}",
    re.MULTILINE,
)
_MARK = re.compile(rf"^{re.escape(MARK)}(.*)$", re.MULTILINE)
_CYCLE = 10
"""Of so many samples in a row, each fault occurs in one; the rarest only for some prompts."""
_RARE = 20

_SUMMARY = """\
Here is the function.

```python
import numpy as np


def summarize({arguments}):
    rows = np.asarray(observations, float)
    first, last = np.round(rows[{wrong}], 3), np.round(rows[-1], 3)
    return f"{{len(rows) - 1}} steps; from {{first}} to {{last}}; mean {{np.round(rows.mean(axis=0), 3)}}"
```
"""


@dataclass(frozen=True)
class _Tried:
    """A plan that the prompt shows, and its result."""

    plan: Plan
    value: float


class EmbeddedCode(Provider):
    """Writes programs from templates, with numbers that it changes where the prompt shows that they are good.

    Args:
        errs: Whether some of its answers are wrong on purpose.
    """

    is_stand_in = True

    def __init__(self, *, errs: bool = True) -> None:
        self._errs = errs

    def complete(self, request: Request) -> Reply:
        """Answer a prompt; the same request always gets the same answer."""
        return Reply(_answer(request, errs=self._errs), usage=Usage(prompt_tokens=None, completion_tokens=None))


def _answer(request: Request, *, errs: bool) -> str:
    prompt, digest = request.prompt, _digest(request.prompt)
    repairs = "# A program that failed" in prompt
    if "3 to 4 sentences of plain text" in prompt:
        return _reflection(prompt)
    if "defines one function" in prompt:
        arguments = "observations, actions, rewards" if "summarize(observations, actions" in prompt else "observations"
        return _SUMMARY.format(arguments=arguments, wrong="10**9" if errs and not repairs and digest % 4 == 0 else "0")
    form = _form(prompt)
    rng = np.random.default_rng(_digest(f"{request.sample}/{request.attempt}/{prompt}"))
    if repairs:
        marks = _MARK.findall(prompt)
        plan = (Plan.read(marks[-1]) if marks else None) or new_plan(form, rng)
        return _policy(
            plan, form, "error" if errs and digest % 4 == 0 else "", "The same program with the mistake mended."
        )
    plan, account = _next_plan(_tried(prompt), form, rng)
    fault = _fault(request.sample, request.attempt, digest) if errs else ""
    return _policy(plan, form, fault, account)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8], "big")


def _fault(sample: int, attempt: int, digest: int) -> str:
    """Return what is wrong with this sample of a prompt, if anything is; a second attempt is never wrong."""
    if attempt > 1:
        return ""
    fault = FAULTS.get((sample + digest) % _CYCLE, "")
    return "" if fault == "loop" and digest // _CYCLE % _RARE else fault


def _policy(plan: Plan, form: Form, fault: str, account: str) -> str:
    source = write_program(plan, form, fault)
    if fault == "no fence":
        return f"My policy would be {plan.kind}, but here is none."
    return f"```python\n{source}\n```\n{account}"


def _next_plan(tried: list[_Tried], form: Form, rng: np.random.Generator) -> tuple[Plan, str]:
    ranked = sorted(tried, key=lambda each: -each.value)
    if not ranked or ranked[0].value == ranked[-1].value or rng.random() < 0.3:
        return new_plan(form, rng), "A new program from a template."
    place = min(int(rng.geometric(0.7)) - 1, len(ranked) - 1)
    return mutated(ranked[place].plan, rng), "One of the best programs with some of its numbers changed."


def _tried(prompt: str) -> list[_Tried]:
    """Return the plans in a prompt with the results beside them: above, or below that of a proposal to revise."""
    results = [(match.start(), float(match[1])) for match in _RESULT.finditer(prompt)]
    proposal = prompt.find("\nProposed policy:\n")
    tried = []
    for match in _MARK.finditer(prompt):
        plan = Plan.read(match[1])
        if plan is None:
            continue
        above = [value for start, value in results if start < match.start()]
        below = [value for start, value in results if start > match.end()]
        found = below[:1] if 0 <= proposal < match.start() else above[-1:]
        tried += [_Tried(plan, value) for value in found]
    return tried


def _form(prompt: str) -> Form:
    """Read the form of observations and actions.

    Raises:
        AttemptFailed: The prompt does not ask for a program.
    """
    if "class Policy" not in prompt:
        raise AttemptFailed(f"{NAME} cannot read this prompt: it does not ask for a class Policy", retryable=False)
    size = re.search(r"obs\[0\] to obs\[(\d+)\]", prompt)
    states = re.search(r"State: a number from 0 to (\d+)", prompt)
    choices = re.search(r"returns the action: a whole number from (\d+) to (\d+)", prompt)
    numbers = re.search(r"a list or vector of (\d+) finite number", prompt)
    if (size is None and states is None) or (choices is None and numbers is None):
        raise AttemptFailed(f"{NAME} cannot read this prompt: it names no observation or no action", retryable=False)
    return Form(
        inputs=int(size[1]) + 1 if size else None,
        states=int(states[1]) + 1 if states else 0,
        outputs=int(numbers[1]) if numbers else int(choices[2]) - int(choices[1]) + 1 if choices else 0,
        first_action=int(choices[1]) if choices else None,
        declares="\n# Constants\n" in prompt,
    )


def _reflection(prompt: str) -> str:
    values = [float(match[1]) for match in _RESULT.finditer(prompt)]
    last, best = (values[-1], max(values)) if values else (0.0, 0.0)
    better = "It is the best so far." if last >= best else f"An earlier one reached {json.dumps(best)}."
    return (
        f"The latest policy reached a mean return of {json.dumps(last)}. {better} Its numbers made the difference, not "
        "its form. The next ones should change few numbers at a time."
    )
