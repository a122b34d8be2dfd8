"""Whether greedy decoding repeats itself to the bit: ``python -m benchmarks.greedy_decoding``.

Asks SmolLM2 on this machine the same prompts at temperature 0 several times: with nothing in the server's cache, with
the beginning of the prompt in it, and with two threads. Writes into docs/local-models.md how many replies differ from
those of one thread without a cache. Needs what ``make demo-llm`` installs.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.documents import DOCS, write_table
from r2po.serving import SMOLLM2, Served, ServerSettings, find_model, serve

PROMPTS = 10
REPLY_TOKENS = 48
CONTEXT = 2048
TABLE = "table of greedy decoding"
_TIMEOUT_S = 120.0
"""Of one call: two threads that do not have two cores to themselves wait for each other, and may take longer."""


def prompts(number: int) -> list[str]:
    """Return prompts like those of a run: each has the history of the one before, and one more trial."""
    rng = random.Random(0)  # noqa: S311 - no secrets
    lines = ["Each trial has four parameters from -6.0 to 6.0 and a reward. Propose the next ones, and say why."]
    made = []
    for trial in range(1, number + 1):
        values = ", ".join(f"{rng.uniform(-6, 6):.1f}" for _ in range(4))
        lines.append(f"Trial {trial}: params = [{values}]; reward: {rng.uniform(0, 500):.2f}")
        made.append("\n".join(lines))
    return made


@contextmanager
def serving(threads: int) -> Iterator[Served]:
    """Serve SmolLM2 with so many threads."""
    with serve(ServerSettings(find_model(SMOLLM2), context=CONTEXT, threads=threads)) as served:
        yield served


def replies(served: Served, asked: Sequence[str], *, cached: bool) -> list[str]:
    """Return the greedy reply to each prompt.

    With ``cached``, the server keeps what it computed for the prompt before, with which each one begins. A call that
    takes too long ends it, with the replies so far.
    """
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": REPLY_TOKENS, "cache_prompt": cached}
    texts: list[str] = []
    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        session.headers["Authorization"] = f"Bearer {served.key}"
        for prompt in asked:
            body = {"model": served.name, "messages": [{"role": "user", "content": prompt}], **settings}
            try:
                answer = session.post(f"{served.base_url}/chat/completions", json=body, timeout=_TIMEOUT_S)
            except requests.Timeout:
                return texts
            answer.raise_for_status()
            texts.append(str(answer.json()["choices"][0]["message"]["content"]))
            print(".", end="", flush=True)
    return texts


def measure(number: int) -> dict[str, list[str]]:
    """Ask everything; returns the replies by how the server was used, those to compare with first."""
    asked = prompts(number)
    with serving(1) as served:
        found = {"one thread, nothing cached": replies(served, asked, cached=False)}
        found["the same again"] = replies(served, asked, cached=False)
        found["one thread, the beginning of the prompt cached"] = replies(served, asked, cached=True)
    with serving(2) as served:
        found["two threads, nothing cached"] = replies(served, asked, cached=False)
    print()
    return found


def table(found: dict[str, list[str]]) -> str:
    """Return as Markdown how many replies differ from the first ones."""
    first, *others = found.items()
    lines = ["| compared with one thread and nothing cached | prompts | other replies |", "|---|---:|---:|"]
    for name, texts in others:
        different = sum(one != other for one, other in zip(first[1], texts, strict=False))
        lines.append(f"| {name} | {len(texts)} | {different if texts else 'not measured'} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and write it into the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.greedy_decoding", description=__doc__)
    parser.add_argument("--prompts", type=int, default=PROMPTS, help=f"number of prompts ({PROMPTS})")
    parser.add_argument("--document", type=Path, default=DOCS / "local-models.md", help="default: docs/local-models.md")
    options = parser.parse_args(arguments)
    text = table(measure(options.prompts))
    print(text)
    write_table(options.document, TABLE, text)


if __name__ == "__main__":
    main()
