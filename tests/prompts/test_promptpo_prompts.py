"""What the prompts of PromptPO say, section by section, beside the environment, the policy's form and the history."""

from __future__ import annotations

import re

import pytest

from r2po.isolation.outcomes import Failure
from r2po.prompts.brief import Brief
from r2po.prompts.rounds import Round, Rounds, feedback_prompt, reflection_prompt, repair_prompt, round_prompt
from tests.builders import make_brief

ROUNDS = Rounds([Round(1, "x = 1", (3.0, 5.0), summaries=("a", "b")), Round(2, failures=("time: late",))], 0, None)


def brief_of(environment: str, **values: object) -> Brief:
    return make_brief(environment, "promptpo", llm_model_name="embedded/code", num_evaluation_episodes=2, **values)


def sections(prompt: str) -> dict[str, str]:
    """Return the text below each heading; what stands before the first one is called ``role``."""
    first, *rest = re.split(r"^# (.*)\n", prompt, flags=re.MULTILINE)
    return {"role": first.strip(), **{name: text.strip() for name, text in zip(rest[::2], rest[1::2], strict=True)}}


SEARCH = {
    "role": "You are a skilled programmer of policies for reinforcement learning. Write a Python program that acts in "
    "the environment below and earns the highest return.",
    "How policies are judged": "\n".join(
        [
            "- The search goes in rounds. In each round 10 independent answers to this prompt are tried in 2 episodes, "
            "all from the same starts, and the best one is kept.",
            "- The best one is that with the highest mean return. A mean return around 500 is the target.",
            "- In the end the best policy of all rounds counts, so a new idea may fail without harm.",
            "- A policy may use everything that a program can do: a memory of its episode, estimates, planning, "
            "search, a controller with gains. Use what you know of this environment.",
            "- Never answer with a policy that stands in the history.",
        ]
    ),
    "History": """\
The policies that were kept so far, one of each round:
Round 1: mean return 4.00
```python
x = 1
```
Returns of its episodes: 3.00, 5.00
Episode 1: a
Episode 2: b

Round 2: no policy worked: time: late""",
    "Now": """\
The best policy so far is that of round 1.
In the last round no policy worked. What went wrong:
- time: late
This is round 3 of 20. Answer with a policy in the reply format.""",
}
FEEDBACK = {
    "role": "You help to find a good policy for a reinforcement-learning task. Policies are Python programs that a "
    "language model writes; each is tried in 2 episodes, and the model then reads what happened in them before it "
    "writes the next one. Write the function that turns an episode into the text that it reads.",
    "Reply format": """\
Your reply holds the whole program in one fenced block, in this form:
```python
def summarize(observations, actions, rewards):
    ...
```
Give no second block of code: only the last one that defines the function counts.""",
}
REFLECTION = {
    "role": "You review the search for a good policy in the environment below. Policies are Python programs; one is "
    "kept in each round. Reflect on the latest one for those who write the next.",
    "What to say": """\
- Did the latest policy improve on earlier ones? On which, and by how much?
- Which of its changes made the difference, as far as returns and episodes show?
- What still goes wrong, and what should be tried next?""",
    "Reply format": "Write 3 to 4 sentences of plain text, and no code.",
    "Now": "Reflect on the policy of round 1, the best so far.",
}


def test_the_search() -> None:
    found = sections(round_prompt(brief_of("cartpole"), ROUNDS, iteration=3, candidates=10))
    assert list(found) == [
        *("role", "Environment: CartPole", "Policy", "How policies are judged", "Reply format", "History", "Now")
    ]
    assert found["Policy"].startswith("A policy is a Python program that defines one class:")
    assert found["Environment: CartPole"].endswith("An episode is stopped after 500 steps at the latest.")
    for heading, text in SEARCH.items():
        assert found[heading] == text, heading


def test_the_search_without_rounds_and_with_one_answer() -> None:
    found = sections(round_prompt(brief_of("cartpole"), Rounds([], 0, None), iteration=1, candidates=1))
    assert found["History"] == "(no trials yet)"
    assert found["Now"] == "This is round 1 of 20. Answer with a policy in the reply format."
    assert (
        "In each round the answer to this prompt is tried in 2 episodes, and kept if it works.\n"
        in (found["How policies are judged"])
    )


def test_a_budget_of_evaluations_is_told_instead_of_the_rounds() -> None:
    prompt = round_prompt(brief_of("cartpole"), ROUNDS, iteration=3, candidates=10, spent=21, evaluations=200)
    assert prompt.rstrip().endswith(
        "This is round 3; 21 of 200 evaluations are spent. Answer with a policy in the reply format."
    )
    assert " of 20." not in prompt


def test_the_function() -> None:
    found = sections(feedback_prompt(brief_of("cartpole"), observations_only=False, modules=["scipy.linalg"]))
    for heading, text in FEEDBACK.items():
        assert found[heading] == text, heading
    told = found["The function"]
    for line in (
        "- observations: a NumPy array of T + 1 rows with 4 float64 each, s[0] to s[3]: the state at each step, and at "
        "last the one in which the episode ended.",
        "- actions: the numbers of the actions, a NumPy vector of T int64: the action at each step.",
        "- rewards: a NumPy vector of T float64: the reward of each step.",
        "- T, the steps of the episode, is from 1 to 500. The function must work for all of them, and for good and bad "
        "episodes.",
    ):
        assert f"{line}\n" in told
    assert ", scipy, statistics" in told
    assert "what is beyond 2,000 characters is cut off." in told
    assert "class Policy" not in "".join(found.values())


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ("nim", "- observations: the numbers of the states, a NumPy vector of T + 1 int64: "),
        ("swimmer", "- observations: a NumPy array of T + 1 rows with 8 float64 each, s[0] to s[7]: "),
    ],
)
def test_the_function_sees_observations_only(environment: str, line: str) -> None:
    told = sections(feedback_prompt(brief_of(environment), observations_only=True, modules=()))["The function"]
    assert line in told
    assert "\n- actions:" not in told
    assert "\n- rewards:" not in told


def test_the_reflection() -> None:
    found = sections(reflection_prompt(brief_of("cartpole"), ROUNDS))
    for heading, text in REFLECTION.items():
        assert found[heading] == text, heading
    assert found["History"] == SEARCH["History"]
    later = Rounds([*ROUNDS.rounds, Round(3, "x = 3", (1.0, 1.0))], 0, None)
    assert sections(reflection_prompt(brief_of("cartpole"), later))["Now"] == (
        "Reflect on the policy of round 3; the best so far is that of round 1."
    )


def test_the_repair() -> None:
    base = "# One\nThe prompt."
    found = repair_prompt(brief_of("cartpole"), base, "x = 1", Failure("error", "line 1, in act\n    x\nKeyError: 7"))
    assert found == (
        "# One\nThe prompt.\n\n# A program that failed\nYou answered with this program:\n```python\nx = 1\n```\n\n"
        "It does not work (error):\nline 1, in act\n    x\nKeyError: 7\n\n"
        "Find the cause and mend it; keep what is right. Answer with the whole corrected program in the reply format."
    )


def test_compact_prompts_tell_the_same_and_end_with_the_request() -> None:
    brief, compact = (brief_of("cartpole", prompts=style) for style in ("published", "compact"))
    made = [round_prompt(each, ROUNDS, iteration=3, candidates=10) for each in (brief, compact)]
    published, found = map(sections, made)
    form = published.pop("Reply format")
    assert list(found) == list(published)
    assert list(found)[-1] == "Now"
    assert found.pop("Now") == (
        "In the last round no policy worked. What went wrong:\n- time: late\n"
        f"This is round 3 of 20. The best policy so far is that of round 1. Answer with a policy.\n{form}"
    )
    del published["Now"]
    assert found == published
