"""A server of Anthropic's protocol that keeps beginnings of prompts, and counts what that changes in the bill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.cache_bill import MINIMUM, Block, Charge, PromptCache, RefusedError
from tests.llm.fake_servers.anthropic import FakeAnthropic
from tests.llm.fake_servers.core import CHARS_PER_TOKEN, Answer

count = len
"""Each character is a token here: the tokens of a text are then exactly those of its parts."""


class BillingAnthropic(FakeAnthropic):
    """Refuses what Anthropic's server refuses of marks, and reports what it read and wrote.

    Attributes:
        now: What its clock shows, in seconds.
        step_s: How far its clock goes on with each prompt.
        bill: What it charged so far.
        prompts: The prompts that it charged for.
    """

    def __init__(
        self,
        reply: Callable[[str], Answer] | Iterable[Answer] = lambda prompt: "fine",
        *,
        minimum: int = MINIMUM * CHARS_PER_TOKEN,
        step_s: float = 0.0,
    ) -> None:
        super().__init__(reply)
        self.cache = PromptCache(count, minimum)
        self.now, self.step_s = 0.0, step_s
        self.bill = Charge()
        self.prompts: list[str] = []

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        """Charge for the prompt."""
        try:
            charge = self.cache.charge(_blocks(body["messages"][-1]["content"]), self.now)
        except RefusedError as refused:
            raise AssertionError(str(refused)) from None
        self.bill += charge
        self.prompts.append(prompt)
        self.now += self.step_s
        usage = {
            "input_tokens": charge.fresh,
            "cache_creation_input_tokens": charge.written,
            "cache_read_input_tokens": charge.read,
        }
        response = super().response(text, prompt, body)
        return {**response, "usage": {**response["usage"], **usage}}


def _blocks(content: str | list[Mapping[str, Any]]) -> list[Block]:
    if isinstance(content, str):
        return [(content, False)]
    return [(block["text"], block.get("cache_control") == {"type": "ephemeral"}) for block in content]
