"""Reading programs from replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.errors import UnusableReply
from r2po.policies.source import normalised, read_source

SOURCE = "import math\n\nclass Policy:\n    def act(self, obs):\n        return 0"
OTHER = SOURCE.replace("return 0", "return 1")


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{SOURCE}\n```",
        f"```py\n{SOURCE}\n```\nIt works.",
        f"```\n{SOURCE}\n```",
        f"~~~Python3\n{SOURCE}\n~~~",
        f"````python\n{SOURCE}\n````",
        f"```{{.python .numberLines}}\n{SOURCE}\n```",
        f"Here:\n\n```python title=policy.py\n{SOURCE}\n\n\n```",
        f"A draft:\n```python\n{OTHER}\n```\nCorrected:\n```python\n{SOURCE}\n```\nUse it so:\n```\nPolicy()\n```",
        f"<think>\n```python\n{OTHER}\n```\n</think>\n```python\n{SOURCE}\n```",
        f"```python\n{OTHER}\n```\nNo.</think>\n```python\n{SOURCE}\n```",
        f"<think>a</think>```python\n{SOURCE}\n```\n<reflection>\n```python\n{OTHER}\n```\n</reflection>",
        f"```python\n{SOURCE}",
        SOURCE,
        f"\n\n{SOURCE}\n\n",
        SOURCE.replace("\n", "\r\n"),
        f"```python\r\n{SOURCE}\r\n```".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"\ufeff```python\n\ufeff{SOURCE}\n```",
        "1. The policy:\n   ```python\n" + "".join(f"   {line}\n" for line in SOURCE.split("\n")) + "   ```",
        "> ```python\n" + "".join(f"> {line}\n" for line in SOURCE.split("\n")) + "> ```",
    ],
)
def test_the_last_block_with_a_policy_counts(reply: str) -> None:
    assert read_source(reply) == SOURCE


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I cannot do that.",
        "```python\nx = 1\n```",
        f"<think>\n```python\n{SOURCE}\n```",
        "The class Policy must act.",
        f"Here is the policy:\n{SOURCE}",
        "```python\nclass Policy:\n    pass\n```",
        "class struggle is when people act together",
    ],
)
def test_a_reply_without_a_policy_is_refused(reply: str) -> None:
    with pytest.raises(UnusableReply, match=r"holds no code block that defines a class Policy"):
        read_source(reply)


def test_a_bare_program_with_a_docstring_is_read() -> None:
    source = f'"""A policy.\n\nIt does nothing much.\n"""\n# Constants\nGAIN: float = 1.0\nLOW, HIGH = 0, 1\n{SOURCE}'
    assert read_source(source) == source


def test_a_fence_inside_of_a_text_of_the_program_does_not_end_it() -> None:
    source = SOURCE.replace("return 0", 'return len("```x")')
    assert read_source(f"```python\n{source}\n```") == source


def test_long_sources_are_refused() -> None:
    longest = SOURCE + "\n# " + "x" * (32_000 - len(SOURCE) - 3)
    assert read_source(f"```\n{longest}\n```") == longest
    with pytest.raises(UnusableReply, match=r"its code has 32,001 bytes; at most 32,000 are allowed"):
        read_source(f"```\n{longest}y\n```")


@given(st.text())
def test_any_reply_is_read_or_refused(text: str) -> None:
    try:
        source = read_source(text + f"\n```python\n{text}\nclass P:\n def act(self): 0\n```\n{text}")
    except UnusableReply:
        return
    assert source == normalised(source)


@given(st.lists(st.sampled_from(["    x = 1", "", "# ``", "~~", "'''", "pass", "\tif y:", "`z`"])))
def test_a_fenced_program_comes_back_as_it_was(lines: list[str]) -> None:
    source = normalised("\n".join([SOURCE, *lines]))
    assert read_source(f"Text\n```python\n{source}\n```\nText") == source
