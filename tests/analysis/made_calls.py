"""Writes the calls of a run by hand, so that what its iterations cost is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2po.runlog.packing import pack, pack_prompt

Reply = tuple[int, str, int | None, int | None]
"""Iteration, role, and tokens of prompt and reply; None where the provider does not say."""


def write_calls(run: Path, replies: Sequence[Reply], *, refused: Sequence[int] = ()) -> None:
    """Write ``llm_calls.jsonl``; ``refused`` are numbers of calls, from 1, whose replies could not be used."""
    lines = []
    for call, (iteration, role, prompt, completion) in enumerate(replies, 1):
        about: dict[str, Any] = {"key": f"{call}", "iteration": iteration, "role": role, "sample": 0, "attempt": 0}
        text = {"prompt_sha256": hashlib.sha256(b"").hexdigest(), "prompt_chars": 0, "prompt": pack_prompt("", "")}
        at = "2025-01-01T00:00:00+00:00"
        lines.append({"event": "request", "call": call, **about, **text, "at": at})
        counts = {"prompt_tokens": prompt, "cached_tokens": None, "completion_tokens": completion}
        usage = {**counts, "reasoning_tokens": None}
        said = {
            "text": pack(""),
            "thinking": pack(""),
            "finish": "stop",
            "refusal": "unusable" if call in refused else "",
        }
        reply = {**said, "usage": usage, "sent": {}, "latency_s": 1.0}
        lines.append({"event": "reply", "call": call, **reply, "at": at})
    (run / "llm_calls.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
