"""The reply grammar: what is read, what is refused and why, and that no text takes long."""

from __future__ import annotations

import contextlib
import math
import random
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.errors import UnusableReply
from r2po.policies import NumericFamily, Parameters, PolicyConfig
from r2po.policies.linear import Linear
from r2po.policies.tabular import Tabular
from r2po.tasks.spaces import Spaces
from tests.builders import answer

TIME_LIMIT_S = 4.0
IN_THOUGHTS = "its parameters stand among its thoughts: put the final parameters below them, outside of all tags"
TWO_SETS = (
    "it gives two different sets of parameters: put the final parameters on the first line, and no other set anywhere"
)


def linear(size: int) -> Linear:
    return Linear(Spaces(False, size, False, 1, 0, (-1.0,), (1.0,), None), PolicyConfig(bias=False))


def nim_table(size: int = 3) -> Tabular:
    return Tabular(Spaces(True, size, True, 3, 1, (), (), None))


def refusal(text: str, policy: NumericFamily) -> str:
    with pytest.raises(UnusableReply) as caught:
        policy.read(text)
    return str(caught.value)


def refusal_beside(text: str, shown: list[Parameters]) -> str:
    with pytest.raises(UnusableReply) as caught:
        linear(2).read_beside(text, shown)
    return str(caught.value)


# ---- What is read ----

ASSIGNMENTS = (
    "params[{}]: {}",
    "params[{}]:{}",
    "params[{}] = {}",
    "params[{}]={}",
    "PARAMS[ {} ] : {}",
    "**params[{}]**: {}",
    "**params[{}]:** {}",
    "**params[{}]: {}**",
    "`params[{}]`: `{}`",
    "Params [{}] = **{}**",
)
SEPARATORS = (", ", ",", "; ", " ", "\n", "\n\n", ",\n", "\n- ", "\n* ", "\n\N{BULLET} ", " | ", "  \r\n")
WRAPPERS = ("{}", "```\n{}\n```", "```python\n{}\n```", "**{}**", "`{}`", "\n\n{}\n\n", "> {}", "- {}")
LISTS = ("params = [{}]", "params: [{}]", "**params** = [{}]", "`params`=[ {} ]", "PARAMS = [\n{},\n]")


@st.composite
def numerals(draw: st.DrawFn, value: float) -> str:
    """One of the ways to write a number that mean exactly this float."""
    forms = [repr(value), f"{value:.17e}", f"{value:.17E}"]
    if value == round(value) and abs(value) < 1e15:
        forms += [f"{value:.0f}", f"{value:.0f}.", f"{value:.2f}"]
    forms += [form.replace("0.", ".", 1) for form in forms if form.removeprefix("-").startswith("0.") and value]
    text = draw(st.sampled_from(forms))
    if not text.startswith("-"):
        return draw(st.sampled_from(["", "+"])) + text
    return text.replace("-", draw(st.sampled_from(["-", "\N{MINUS SIGN}"])), 1)


@st.composite
def blocks(draw: st.DrawFn, params: Parameters) -> str:
    """One of the ways to write a parameter vector."""
    texts = [draw(numerals(value)) for value in params]
    if draw(st.booleans()):
        joined = draw(st.sampled_from([", ", ",", ",\n  "])).join(texts)
        written = draw(st.sampled_from(LISTS)).format(joined)
    else:
        order = draw(st.permutations(range(len(params))))
        form, separator = draw(st.sampled_from(ASSIGNMENTS)), draw(st.sampled_from(SEPARATORS))
        written = separator.join(form.format(index, texts[index]) for index in order)
    return draw(st.sampled_from(WRAPPERS)).format(written)


vectors = st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=2, max_size=12).map(tuple)
prose = st.text().filter(lambda text: "params" not in text.casefold() and "<" not in text)


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, Parameters]:
    """A reply, and the parameters it gives: the only whole block, or that on the first line, whatever is thought."""
    params = draw(vectors)
    others = answer([value / 2 + 1 for value in params])
    before = draw(
        st.sampled_from(["", "My answer is this one:\n", "I could set params[0]: 9.75, but better is\n\n"])
        | prose.map(lambda text: f"{text} so\n")
    )
    thought = draw(
        st.sampled_from(
            ["", f"<think>{others}</think>", f"<THINKING>\n{others}\n</THINKING>\n", f"{others} so\n</think>"]
        )
    )
    after = draw(
        st.sampled_from(
            [
                "",
                *([f"\n{others}", f"\n\nNot {others}", f"\n```\n{others}\n```\n"] if not before else []),
                "\nparams[1]: 9.75 was worse.",
                " because params[0] = 9.75 was worse.",
                f"\n<think>{others}",
                " .",
                " - (as before)",
                "** 3 reasons follow",
                " (was 9.75)",
                "\n- 3 reasons follow",
            ]
        )
        | prose.map(lambda text: f"\n\nReasoning: {text}")
    )
    return thought + before + draw(blocks(params)) + after, params


@given(replies())
@settings(max_examples=400)
def test_a_vector_is_read_back_exactly(case: tuple[str, Parameters]) -> None:
    text, params = case
    read = linear(len(params)).read(text)
    assert read == params
    assert "-0.0" not in map(repr, read)


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=11), st.data())
def test_a_table_is_read_back_as_integers(table: list[int], data: st.DataObject) -> None:
    forms = [data.draw(st.sampled_from([f"{entry}", f"{entry}.0", f"+{entry}", f"{entry}."])) for entry in table]
    written = ", ".join(f"params[{index}]: {form}" for index, form in enumerate(forms))
    read = nim_table(len(table)).read(written)
    assert read == tuple(table)
    assert all(type(entry) is int for entry in read)


@pytest.mark.parametrize(
    "text",
    [
        "<think>params[0]: 7, params[1]: 7</think>params[0]: 1, params[1]: 2",
        "params[0]: 7, params[1]: 7</think>\nparams[0]: 1, params[1]: 2",
        "<think>a <think>b</think> params[0]: 8, params[1]: 8</think> params[0]: 1, params[1]: 2",
        "params[0]: 1, params[1]: 2 <think>params[0]: 7",
        "<think>one</think><think>params[0]: 7, params[1]: 7</think>params[0]: 1, params[1]: 2",
    ],
)
def test_thinking_is_dropped(text: str) -> None:
    assert linear(2).read(text) == (1.0, 2.0)


def test_a_set_that_the_prompt_shows_is_a_quotation() -> None:
    text = "Try params[1]: 5 next.\nparams[1]: 2\nparams[0]: 1\n\nEarlier: params[0]: 3, params[1]: 4"
    assert linear(2).read_beside(text, [(3.0, 4.0), (0.0, 0.0)]) == (1.0, 2.0)
    assert linear(2).read_beside(text, [(1.0, 2.0)]) == (3.0, 4.0)
    assert refusal(text, linear(2)) == TWO_SETS


def test_a_value_said_twice_is_no_contradiction() -> None:
    assert linear(2).read("params[0]: 1, params[0]: 1.0, params[1]: 2") == (1.0, 2.0)


def test_linear_values_outside_the_range_are_read_as_they_are() -> None:
    assert linear(2).read("params[0]: -100, params[1]: 7.25") == (-100.0, 7.25)


# ---- Drafts, thoughts and quotations ----

A, B = "params[0]: 7, params[1]: 7", "params[0]: 1, params[1]: 2"


@pytest.mark.parametrize(
    "text",
    [
        # Channels of gpt-oss, with and without their marks.
        f"analysisWe could start from\n{A}\nbut lower is better.assistantfinal{B}",
        f"analysis{A}assistantcommentary{A}assistantfinal{B}",
        f"<|channel|>analysis<|message|>Maybe {A}.<|end|><|start|>assistant<|channel|>final<|message|>{B}",
        f"<|channel|>analysis<|message|>{A}<|end|><|start|>assistant<|channel|>final<|message|>{B}<|return|>",
        f"<|start|>assistant<|channel|>commentary to=x<|message|>{A}<|end|><|channel|>final<|message|>{B}<|end|>\n",
        f"<\uff5cbegin\u2581of\u2581thinking\uff5c>{A}<\uff5cend\u2581of\u2581thinking\uff5c>{B}",
        # Tags of any name.
        *(f"<{name}>\n{A}\nno</{name}>\n{B}" for name in ("thought", "reasoning", "THINKING", "mull", "x-think")),
        *(f"{A}\nno</{name}>\n{B}" for name in ("thought", "reasoning", "mull")),
        *(f"[{name}]{A}[/{name}]{B}" for name in ("THINK", "REASONING", "INTERNAL_MONOLOGUE")),
        f"{A} [/THINK] {B}",
        f"some thought {A} </think> more {A} </think>\n{B}",
        f"{A}\n<notes>both are fine</notes>\n{B}",
        # Tags around or after the answer.
        f"<answer>{B}</answer>",
        f"<mull>{A}</mull><answer>\n{B}\n</answer>",
        f"{B}\n<reasoning>{A} was worse</reasoning>",
        f"<b>{B}</b><br>",
        f"{B}\n<thought>{A}",
        # JSON.
        '{"reasoning": "line\nbreak; params: [7, 7] was bad", "params": [1, 2]}',
        '{"reasoning": "params: [7, 7] was bad", "params": [1, 2]}',
        'Here it is:\n```json\n{"params": [1, 2], "reasoning": "params: [7, 7] was bad"}\n```',
        '{"params": "[1, 2]", "reasoning": "x"}',
        '{"params": [1, 2], "reasoning": "cut off in the mid',
        # The first line is the answer, whatever follows.
        f"{B}\n\nI also thought of {A}.",
        f"\n```\n{B}\n```\nFirst I had:\n{A}",
        f"**{B}**\nbetter than\n{A}",
        f"# Answer\n\n{B}\n\nFirst I had {A}",
        f"Final parameters:\n{B}\n{A} was the draft",
    ],
)
def test_a_draft_is_not_taken_for_the_answer(text: str) -> None:
    assert linear(2).read(text) == (1.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        f"<|channel|>analysis<|message|>{A}",
        f"analysisLet me see: {A}",
        f"analysisWell {A}assistantanalysis{A}",
        f"<thought>{A}</thought>",
        f"{A}</mull>",
        f"<reasoning>{A}",
    ],
)
def test_thoughts_without_an_answer_are_none(text: str) -> None:
    assert refusal(text, linear(2)) == IN_THOUGHTS


@pytest.mark.parametrize(
    ("before", "between"),
    [
        ("Draft:", "Final:"),
        ("**Draft**", "**Final**"),
        ("Thinking...", "...done thinking."),
        ("Old parameters:", "New parameters:"),
        ("Current policy:", "Improved policy:"),
        ("# Reasoning", "# Answer"),
        ("Option A:", "Option B:"),
        ("Trial 4:", "Next:"),
        ("<!--", "-->"),
    ],
)
def test_a_draft_below_a_label_is_not_the_first_line(before: str, between: str) -> None:
    text = f"{before}\n{A}\n{between}\n{B}"
    assert refusal(text, linear(2)) == TWO_SETS
    assert linear(2).read_beside(text, [(7.0, 7.0)]) == (1.0, 2.0)


@pytest.mark.parametrize("label", ["Here are the new parameters:", "**Final answer**", "## My proposal", "json"])
def test_a_label_that_says_that_the_answer_follows_is_no_line(label: str) -> None:
    assert linear(2).read(f"{label}\n\n{B}\n\nnot\n{A}") == (1.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "Trial 3 with params = [7, 7] was best, so I would raise params[0].",
        "params = [7, 7] scored 9. Raise params[0] by 0.5.",
    ],
)
def test_a_quotation_in_a_sentence_is_no_answer(text: str) -> None:
    assert refusal_beside(text, [(7.0, 7.0)]).startswith("its only set of parameters is one that the prompt shows")


@pytest.mark.parametrize(
    "text",
    [
        A,
        f"**{A}**",
        f"```\n{A}\n```",
        f"<answer>{A}</answer>",
        f"Final answer: {A}",
        f"1. {A} (unchanged)",
        f"I keep it:\n\n{A}\n\nIt works.",
        f"{A}\n\nI considered {B}, but it is riskier.",
        '{"params": [7, 7], "reasoning": "kept"}',
        "| params[0] | params[1] |\n|--|--|\n| 7 | 7 |",
        "- params[0]: 7 (kept)\n- params[1]: 7 (kept)\n",
    ],
)
def test_a_proposal_may_be_kept(text: str) -> None:
    assert linear(2).read_beside(text, [(7.0, 7.0)]) == (7.0, 7.0)


def test_a_quotation_above_a_new_set_is_asked_about() -> None:
    text = f"{A}\nscored 9; I propose\n{B}"
    assert refusal_beside(text, [(7.0, 7.0)]) == TWO_SETS
    assert linear(2).read(text) == (7.0, 7.0)


@pytest.mark.parametrize(
    "text",
    [
        '{"reasoning": "params = [7, 7] was bad", "parameters": [1, 2]}',
        '{"thoughts": "params[0]: 7, params[1]: 7", "answer": [1, 2]}',
        '[{"reasoning": "params = [7, 7]"}]',
        'Here it is:\n```json\n{"reasoning": "params: [7, 7] was bad',
    ],
)
def test_no_string_of_an_object_is_an_answer(text: str) -> None:
    refusal(text, linear(2))


@pytest.mark.parametrize(
    "text",
    [
        '{"old": {"params": [7, 7]}, "new": {"params": [1, 2]}}',
        "| params[0] | params[1] |\n|--|--|\n| 7 | 7 |\n| 1 | 2 |",
        "| | params[0] | params[1] |\n|--|--|--|\n| old | 7 | 7 |\n| new | 1 | 2 |",
    ],
)
def test_two_sets_in_one_table_or_object_contradict_each_other(text: str) -> None:
    assert refusal(text, linear(2)) == "contradicting values for params[0], params[1]"


@pytest.mark.parametrize(
    "line", ["params[0] += 1", "params[1] *= 0.5", "params[0] = 3", "  params[1] = 5.0;", "params[0] = 3  # raised"]
)
@pytest.mark.parametrize("answer_", ["params = [1, 2]", "params[0] = 1\nparams[1] = 2\n\n", B])
def test_a_set_that_a_program_changes_is_refused(line: str, answer_: str) -> None:
    said = refusal(f"```python\n{answer_}\n{line}\n```", linear(2))
    assert said.endswith("is changed by a line below the set: give its final value")


@pytest.mark.parametrize("text", [f"{B}\n\nparams[0] -= 0.5 was considered.", f"Trial 3: params[0] = 4.\n\n{B}\n"])
def test_a_remark_on_one_parameter_is_no_answer(text: str) -> None:
    assert linear(2).read(text) == (1.0, 2.0)


@pytest.mark.parametrize(
    "text", [f"I start from {A} and improve it: {B}", f"Well, {A}\n\nNo, better\n\n{B}", f"so {A}; or {B}"]
)
def test_two_sets_without_a_first_line_are_refused(text: str) -> None:
    assert refusal(text, linear(2)) == TWO_SETS
    assert linear(2).read_beside(text, [(7.0, 7.0)]) == (1.0, 2.0)


def test_an_object_that_is_none_is_not_searched_for_lists() -> None:
    said = refusal('{"reasoning": "params: [7, 7] was bad", "params": [1, 2]', linear(2))
    assert said.startswith("it begins as a JSON object, but is none: ")


def test_a_quotation_counts_as_prompts_show_it() -> None:
    text = "Trial 3 was params = [1.23, 4.57]; I try params = [1, 2]."
    assert linear(2).read_beside(text, [(1.2345, 4.5678)]) == (1.0, 2.0)


# ---- What stands beside a value ----


@pytest.mark.parametrize(
    "text",
    [
        "```\nparams[0] = 1.0  # was 0.5\nparams[1] = 2.0  # was 3\n```",
        "params[0] = 1.0  // was 0.5\nparams[1] = 2.0",
        "params[0]: 1.0 (was 0.5), params[1]: 2.0 (was 3)",
        "params[0]: 1.0 - keeps the pole upright\nparams[1]: 2.0 - as before",
        "1. params[0]: 1.0\n2. params[1]: 2.0",
        "(1) params[0]: 1.0\n(2) params[1]: 2.0",
        "| name | value |\n|---|---|\n| params[0] | 1.0 |\n| params[1] | 2.0 |",
        "| params[0] | params[1] |\n|:--|--:|\n| 1.0 | 2.0 |",
        '{"params[0]": 1.0, "params[1]": 2.0}',
        "{'params[0]': 1.0, 'params[1]': 2.0}",
        '"params[0]": 1.0,\n"params[1]": 2.0',
        'params[0]: "1.0", params[1]: "2.0"',
        "params = np.array([1.0, 2.0])",
        "params = numpy.array([\n  1.0,  # was 0.5\n  2.0,  # was 3\n])",
        "params = torch.tensor([1.0, 2.0])",
        "params[0]: 1.0 and params[1]: 2.0",
        "params[0]: 1.0, params[1]: 2.0 because it is 3 times better",
        "*params[0]: 1.0*, *params[1]: 2.0* because",
        "params = (1.0, 2.0)",
        "params = np.array((1.0, 2.0), dtype=np.float32)",
        "params = [1.0, 2.0]  # [x, v]",
        "params = [1.0, 2.0] - a bit higher",
        "params[0] := 1.0, params[1] := 2.0",
        "params\\[0\\]: 1.0, params\\[1\\]: 2.0",
        "$params[0]: 1.0, params[1]: 2.0$",
        "$$\nparams[0] = 1.0,\\; params[1] = 2.0 \\\\\n$$",
        "$params[0]$: 1.0 & $params[1]$: 2.0",
        "\\boxed{params[0]: 1.0, params[1]: 2.0}",
        "params[0]\uff1a1.0\uff0cparams[1]\uff1a2.0\u3002",
        "<b>params[0]</b>: 1.0<br><b>params[1]</b>: 2.0<br/>",
        "<ul><li>params[0]: 1.0</li><li>params[1]: 2.0</li></ul>",
        "| | params[0] | params[1] |\n|--|--|--|\n| value | 1.0 | 2.0 |",
        "| params[0] | params[1] |\n|--|--|\n| 1.0 | 2.0 |\n\nBecause | it works.",
        "| value | params[0] |\n|--|--|\n| v | 1.0 |\n\n| value | params[1] |\n|--|--|\n| v | 2.0 |",
        '{"params": "1.0, 2.0"}',
        '{"params": "params[0]: 1.0, params[1]: 2.0"}',
        '{"params": {"params[0]": 1.0, "params[1]": 2.0}}',
        '{"name": "answer", "arguments": {"params": [1.0, 2.0]}}',
        '<tool_call>{"params": [1.0, 2.0]}</tool_call>',
        'Here:\n{"params": [1.0, 2.0], "reasoning": "he said "no" to it"}',
    ],
)
def test_what_is_plain_is_read(text: str) -> None:
    assert linear(2).read(text) == (1.0, 2.0)


@pytest.mark.parametrize("dash", ["\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212", "\ufe63", "\uff0d", "-"])
def test_a_dash_before_a_number_is_a_minus(dash: str) -> None:
    assert linear(2).read(f"params[0]: {dash}1.5, params[1]: {dash}.5") == (-1.5, -0.5)


@pytest.mark.parametrize(
    "written",
    ["1.5 \u00d7 10^-3", "1.5\u00b710^-3", "3,5", "1,000", "1 000", "1.5 e-3", "2 * pi", "2*pi", "2 pi", "0.5 + delta",
     "0.5 - delta", "0.5/x", "5 %", "5%", "1 to 2", "1 or 2", "2 million", "90\u00b0", "1 \u00b1 0.5", "2 ** 3",
     "0.5 changed to 0.8", "0.5 and 0.8", "0.5 ... 0.8", "0.5 \u2013 0.8", "0.5 = 0.6", "0.5 (+0.1) = 0.6", "2(3)",
     "0.5 \\times 10^{-3}", "2$\\pi$", "2{,}5", "2 +/- 1", "2~3"],
)  # fmt: skip
@pytest.mark.parametrize(
    "where", ["params[0]: {}, params[1]: 2", "params[1]: 2, params[0]: {}", "params[1]: 2\nparams[0]: {}"]
)
def test_a_value_is_not_changed_by_what_follows_it(written: str, where: str) -> None:
    assert refusal(where.format(written), linear(2)) == f"params[0] is {written!r}, not a finite number"


# ---- Replies that were cut off ----


@pytest.mark.parametrize("text", [B, f"{B} because", "params[0]: 1, params[1]: ", "params = [1, 2", f"{A[:-1]}", "x"])
def test_a_set_at_the_end_of_a_cut_reply_does_not_count(text: str) -> None:
    with pytest.raises(UnusableReply):
        linear(2).read_beside(text, (), cut=True)


@pytest.mark.parametrize(
    "text", [f"{B}\n", f"{B}\nBecause", f"{B} because\nof", "params = [1, 2]", '{"params": [1, 2], "rea']
)
def test_a_set_before_the_end_of_a_cut_reply_counts(text: str) -> None:
    assert linear(2).read_beside(text, (), cut=True) == (1.0, 2.0)


# ---- What is refused, and why ----


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no parameters found; expected params[0] to params[1]"),
        ("I would rather not say.", "no parameters found; expected params[0] to params[1]"),
        ("<think>params[0]: 1, params[1]: 2", IN_THOUGHTS),
        (
            "params[0]: > 1, params[1]: 2",
            "'params[0]: > 1' cannot be read; write params[i]: v, with a number in the place of v",
        ),
        (
            "params[0] = params[1] = 2",
            "'params[0] = params[1] = 2' cannot be read; write params[i]: v, with a number in the place of v",
        ),
        ("weights[0]: 1, weights[1]: 2", "no parameters found; expected params[0] to params[1]"),
        ("params[0]: 1", "missing params[1]"),
        ("params[1]: 1", "missing params[0]"),
        ("params = [1]", "missing params[1]"),
        ("params = []", "missing params[0], params[1]"),
        (
            "params[0]: 1 and then params[1]: 2",
            "'and then' stands between params[0] and params[1]; nothing may stand there",
        ),
        ("params[0]: 1, params[1]: 2, params[2]: 3", "params[2] given, but there are only params[0] to params[1]"),
        ("params[0]: 1\nparams[1]: 2\nparams[2]: 3", "params[2] given, but there are only params[0] to params[1]"),
        ("params = [1, 2, 3]", "params[2] given, but there are only params[0] to params[1]"),
        ("params[0]: 1, params[1]: 2, params[0]: 3", "contradicting values for params[0]"),
        ("params[0]: 1, params[0]: 2, params[1]: 3", "contradicting values for params[0]"),
        ("params[0]: nan, params[1]: 2", "params[0] is 'nan', not a finite number"),
        ("params[0]: 1, params[1]: -Infinity", "params[1] is '-Infinity', not a finite number"),
        ("params[0]: 1, params[1]: inf", "params[1] is 'inf', not a finite number"),
        ("params[0]: 1e999, params[1]: 2", "params[0] is '1e999', not a finite number"),
        ("params = [1, 1e999]", "params[1] is '1e999', not a finite number"),
        ("params[0]: v, params[1]: v", "no parameters found; expected params[0] to params[1]"),
        ("params[0]: v, params[1]: w", "params[0] is 'v', not a finite number"),
        ("params[0]: 0x10, params[1]: 2", "params[0] is '0x10', not a finite number"),
        ("params[0]: 1_000, params[1]: 2", "params[0] is '1_000', not a finite number"),
        ("params[0]: 1/3, params[1]: 2", "params[0] is '1/3', not a finite number"),
        ("params[0]: 1.0+0.5, params[1]: 2", "params[0] is '1.0+0.5', not a finite number"),
        ("params = [1, 2+3]", "params[1] is '2+3', not a finite number"),
        ("params = [, 2]", "params[0] is '', not a finite number"),
        ("params[0]: __import__('os'), params[1]: 2", "params[0] is 'import__', not a finite number"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    assert refusal(text, linear(2)) == reason


@pytest.mark.parametrize(
    "expression",
    ["1.0 + 0.5", "2*3", "2 * 3", "2**3", "1 - 0.5", "1 -0.5", "1 / 3", "2 ^ 2", "2 * (1)", "1.0 -> 1.5", "1 \u2192 2"],
)
@pytest.mark.parametrize("where", ["params[0]: {}, params[1]: 2", "params[0]: 1, params[1]: {}", "params = [1, {}]"])
def test_no_expression_is_read_as_its_first_number(expression: str, where: str) -> None:
    refusal(where.format(expression), linear(2))


@pytest.mark.parametrize("written", ["**1** \u2192 **2**", "`1` -> `2`", "$1$ to $2$", "**1** = 2", "$1$ \u00d7 2"])
def test_a_value_in_markup_is_not_changed_by_what_follows_it(written: str) -> None:
    assert refusal(f"params[1]: 2, params[0]: {written}", linear(2)).startswith("params[0] is '1")


@pytest.mark.parametrize("further", [" * 2", " / 10", " + 0.1", " - 0.1", " * scale", " + [1, 1]", " -> [3, 4]", "*2"])
@pytest.mark.parametrize("list_", ["params = [1, 2]", "params = np.array([1, 2])", "params = (1, 2)"])
def test_no_list_that_is_changed_is_read_as_it_was(further: str, list_: str) -> None:
    assert refusal(list_ + further, linear(2)).startswith("params[1] is '2]")


@pytest.mark.parametrize("written", ["0", "4", "2.5", "-1", "1e9", "nan"])
def test_illegal_actions(written: str) -> None:
    said = refusal(f"params[0]: 1, params[1]: {written}, params[2]: 3", nim_table())
    assert said == (
        f"params[1] is {written}, not one of 1, 2, 3" if written != "nan" else "params[1] is 'nan', not a finite number"
    )


def test_a_refusal_names_no_more_than_a_few_indices() -> None:
    said = refusal("params[0]: 1", linear(100))
    assert said.endswith("and 91 more")
    assert len(said) < 200


def test_a_refusal_stays_short_and_on_one_line() -> None:
    said = refusal(f"params[0]: {'x' * 10_000}, params[1]: 2", linear(2))
    assert len(said) < 200
    assert "\n" not in said


# ---- Any text ----

THOUGHT_MARKS = (
    ("<think>", "</think>"),
    ("<Thought>", "</Thought>"),
    ("<mull>\n", "\n</mull>\n"),
    ("[THINK]", "[/THINK]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysisWe ", "assistantfinal"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("", "</reasoning>"),
)
NO_MARK = st.text().filter(lambda text: not {*"<[|\u25c1"} & {*text})


@given(st.data(), vectors, vectors, st.sampled_from(THOUGHT_MARKS), NO_MARK)
@settings(max_examples=300)
def test_thoughts_in_any_marks_change_nothing(
    data: st.DataObject, params: Parameters, other: Parameters, marks: tuple[str, str], text: str
) -> None:
    written = data.draw(blocks(params))
    thought = data.draw(st.sampled_from([text, f"{text}\n{answer(other)}\n{text}", answer(other)]))
    assert linear(len(params)).read(marks[0] + thought + marks[1] + written) == params


FRAGMENTS = (
    "params", "Params[0]", "params[1]", "params[2]", "params[", "[", "]", "0", "1", "2", "3", "99", ":", "=", ",", ";",
    "\n", " ", "-", "\N{MINUS SIGN}", ".", "e", "1e", "nan", "inf", "*", "**", "`", "```", "_", "|", "<think>",
    "</think>", "<thinking>", "why", "(", ")", "\u0663", "\ud800", "9" * 5000,
)  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join) | st.text(max_size=60))
@settings(max_examples=500)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnusableReply):
        assert all(math.isfinite(value) for value in linear(2).read(text))
    with contextlib.suppress(UnusableReply):
        assert set(nim_table().read(text)) <= {1, 2, 3}


@pytest.fixture
def _time_limit() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not read within {TIME_LIMIT_S} s")

    # Time of this process only: what else the machine does must not count.
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT_S)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


MILLION = 1_000_000
NASTY = {
    "spaces": "params" + " " * MILLION,
    "no index": "params[" * (MILLION // 7),
    "long index": f"params[{'1' * MILLION}]: 1",
    "index spaces": "params[0" + " " * MILLION,
    "markup": "params[0]" + "*" * MILLION,
    "underscores": "params[0]:" + "_" * MILLION,
    "digits": f"params[0]: {'1' * MILLION}x, params[1]: 2",
    "decimals": f"params[0]: 0.{'1' * MILLION}x, params[1]: 2",
    "exponent": f"params[0]: 1e{'1' * MILLION}, params[1]: 2",
    "long value against many": f"params[0]: {'1' * (MILLION // 2)}, " + "params[0]: 1, " * (MILLION // 28),
    "operators": "params[0]: 1" + "* " * (MILLION // 2),
    "lists": "params = [" * (MILLION // 10),
    "long list": f"params = [{'1,' * (MILLION // 2)}]",
    "thoughts": "<think>" * (MILLION // 7),
    "closings": "</think>" * (MILLION // 8),
    "closed thoughts": "<think></think>" * (MILLION // 15),
    "one assignment": "params[0]: 1, " * (MILLION // 14),
    "incomplete blocks": "params[0]: 1 no " * (MILLION // 16),
    "dots": "params[0]: " + "." * MILLION,
    **{
        f"many {unit!r}": unit * (MILLION // len(unit))
        for unit in (
            "<a>",
            "</a>",
            "<a></a>",
            "<|x|>",
            "{",
            '{"',
            '{"a":',
            "}",
            "|",
            "|a",
            "params[0]|",
            "'",
            '"',
            "-",
            "\u2013",
            "#",
            "//",
            "(",
            "(a)",
            "$",
            "\\",
            "\n1.",
            "1. ",
            "assistantfinal",
            "<|channel|>final",
            "= ",
            " and",
            "x to ",
            "params[0] += 1\n",
            "|params[0]|params[1]|\n|1|x|\n",
            "|1|2|\n",
            "params = [1] x ",
        )
    },
    "marks and a sign": "<|x|>" * (MILLION // 5) + "a>",
    "blanks and a sign": " " * MILLION + "a>",
    "a list and blanks": "params = [1]" + " " * MILLION,
    "markup for a list": "params:" + "_" * MILLION,
    "lists in sentences": "Try params = [7, 7] x " * (MILLION // 22) + "params = [x, 2]",
    "a long table": "|params[0]|params[1]|\n" + "|1|2|\n|1|3|\n" * (MILLION // 14),
    "a long program": f"{B}\n{'params[0] = 1 ' * (MILLION // 14)}\nparams[1] += 1",
    "noise": "".join(random.Random(0).choices("params[]0:=,<think/>\n *`1.e-", k=MILLION)),
}


@pytest.mark.usefixtures("_time_limit")
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("size", [2, pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.sampled(4)
def test_no_text_takes_long(text: str, size: int) -> None:
    with pytest.raises(UnusableReply):
        linear(size).read(text)
