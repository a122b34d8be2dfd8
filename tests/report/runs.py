"""Logs that pages are made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from r2po.cli import main
from r2po.runlog.packing import pack, pack_prompt
from tests.analysis.made_logs import K, write_run
from tests.builders import CONFIGS

SMALL = ("num_iterations=5", "num_evaluation_episodes=3", "heldout_episodes=3", "rollout_engine=reference")

MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- {{ 7 * 7 }} ${7}"
ESCAPES = "\x1b[31mred\x1b[0m \u202eevil\u202c \u2028 \ufeff \ud800 \x00"
TURNED = "\u202elive\u202c\x1b[31m\ufeff\x9b"
"""Part of names."""
LONG, LONGER = 120_000, 1_000_000
"""Characters of a line: of one that is cut, and of one that browsers need seconds for."""


def make_run(logs: Path, config: str, *settings: str, name: str = "made") -> Path:
    """Make a small run with the embedded stand-in; returns its folder."""
    model = "embedded/code" if config.endswith(("_code", "_promptpo")) else "embedded/search"
    values = [*SMALL, f"llm_model_name={model}", f"logdir={logs / name}", *settings]
    (path,) = CONFIGS.rglob(f"{config}.yaml")
    assert main(["run", "--config", str(path), "--quiet", "--seed", "3", "--set", *values]) == 0
    return logs / name / "run_1"


def make_hostile_run(logs: Path, long: int = LONG) -> Path:
    """Write a run whose names, prompts, replies and errors hold what should not be obeyed."""
    task = {"name": MARKUP, "label": f"{MARKUP}{TURNED}", "policy": None, "optimum": 5.0, "random_reward": 0.0}
    description = {"model": f"ollama/{MARKUP}{TURNED}", "task": {**task, "conservative_threshold": None}}
    config = {f"{MARKUP}{TURNED}": TURNED}
    run = write_run(logs / f"hostile_{long}", 1, [1.0, 2.0, 3.0], description=description, config=config)
    lines = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        line["candidates"][1] |= {"source": f"# {MARKUP}\n{ESCAPES}\n", "call": f"{number}", "stage": f"b{TURNED}"}
        line["candidates"][1] |= {"ends": [TURNED] * K, "lengths": [1] * K}
        line["candidates"][0] = {
            "stage": f"{MARKUP}{TURNED}",
            "failure": {"kind": "raised", "text": f"{MARKUP}\n{ESCAPES}"},
        }
        line["notes"] = {"feedback": {MARKUP: ESCAPES}}
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    texts = [MARKUP, ESCAPES, f"a long line: {'x' * long}"]
    asked = [(number, f"# {MARKUP}\n{text}\n{ESCAPES}", text) for number, text in enumerate(texts, 1)]
    write_calls(run, asked, role=f"search{TURNED}")
    return run


def write_calls(run: Path, calls: list[tuple[int, str, str]], role: str = "search", **changes: Any) -> None:
    """Write ``llm_calls.jsonl``, given iteration, prompt and reply of each call; thoughts are the reply once more."""
    lines: list[dict[str, Any]] = []
    before = ""
    for call, (iteration, prompt, reply) in enumerate(calls, 1):
        at = {"call": call, "at": "2025-01-01T00:00:00+00:00"}
        about = {"key": f"{call}", "iteration": iteration, "role": role, "sample": 0, "attempt": 1}
        digest = hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()
        text = {"prompt_sha256": digest, "prompt_chars": len(prompt), "prompt": pack_prompt(prompt, before)}
        lines.append({"event": "request", **at, **about, **text})
        said = {"text": pack(reply), "thinking": pack(reply), "finish": "stop", "refusal": ""}
        usage = {"prompt_tokens": 11, "cached_tokens": None, "completion_tokens": 7, "reasoning_tokens": None}
        lines.append({"event": "reply", **at, **said, "usage": usage, "sent": {}, "latency_s": 1.5, **changes})
        before = prompt
    (run / "llm_calls.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def with_cost(folder: Path, cost: Any) -> Path:
    """Write a run whose result names what it cost, and whose log of calls is damaged."""
    run = write_run(folder, 1, [1.0, 2.0])
    write_calls(run, [(1, "prompt", "reply"), (2, "prompt", "reply")])
    calls = run / "llm_calls.jsonl"
    calls.write_text("{broken\n" + calls.read_text())
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "cost": cost}))
    return run
