"""The four wire formats as streams, without a server: what tests cut up and put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from r2po.llm.providers.anthropic import Anthropic
from r2po.llm.providers.gemini import Gemini
from r2po.llm.providers.ollama import Ollama
from r2po.llm.providers.openai import OpenAI
from r2po.llm.providers.streaming import StreamForm
from r2po.llm.providers.wire import WireFormat
from r2po.llm.stream import Framing, Lines, Stream
from tests.llm.fake_servers import FakeAnthropic, FakeGemini, FakeOllama, FakeOpenAI, FakeServer

ANSWERS = (
    "params[0]: 1.5, params[1]: -2",
    "größer \N{RIGHTWARDS ARROW} 大\u2028\N{GRINNING FACE}\r\n\r\ndata: x\n\n",
    "",
)


@dataclass(frozen=True)
class Wire:
    """A wire format, and a fake server that speaks it."""

    provider: type[WireFormat]
    fake: type[FakeServer]

    @property
    def name(self) -> str:
        return self.provider.__name__

    @property
    def form(self) -> StreamForm:
        assert self.provider.stream_form is not None
        return self.provider.stream_form

    @property
    def framing(self) -> type[Framing]:
        return self.form.framing

    @property
    def gap(self) -> bytes:
        """What parts two pieces."""
        return b"\n" if self.framing is Lines else b"\n\n"

    def stream(self) -> Stream:
        return Stream(self.form.framing(), self.form.assembly())

    def streamed(self, text: str) -> bytes:
        """Return an answer in pieces."""
        fake = self.fake()
        body = {"model": "tiny", "stream": True, "stream_options": {"include_usage": True}}
        return b"".join(fake.pieces(fake.response(text, "a prompt", body), body))


WIRES = [
    Wire(OpenAI, FakeOpenAI),
    Wire(Anthropic, FakeAnthropic),
    Wire(Gemini, FakeGemini),
    Wire(Ollama, FakeOllama),
]


def whole_of(wire: Wire, portions: Iterable[bytes]) -> dict[str, Any] | None:
    """Return what bytes put together, or None if that is no answer."""
    stream = wire.stream()
    for portion in portions:
        stream.feed(portion)
    stream.end()
    try:
        return stream.whole() if stream.is_complete else None
    except ValueError:
        return None
