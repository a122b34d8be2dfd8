"""The Ollama server for tests, and the faults that it can have."""

from __future__ import annotations

from tests.llm.fake_servers.core import (
    CHARS_PER_TOKEN,
    Answer,
    Fault,
    Handler,
    Recorded,
    hang_up,
    raw,
    reset,
    stall,
    status,
    trickle,
    truncated,
)
from tests.llm.fake_servers.ollama import DEFAULT_NUM_CTX, FakeOllama

__all__ = [
    "CHARS_PER_TOKEN",
    "DEFAULT_NUM_CTX",
    "Answer",
    "FakeOllama",
    "Fault",
    "Handler",
    "Recorded",
    "hang_up",
    "raw",
    "reset",
    "stall",
    "status",
    "trickle",
    "truncated",
]
