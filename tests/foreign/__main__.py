"""Try all formats and write the table in docs/providers.md: ``tools/foreign_servers`` installs what this needs."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from benchmarks.documents import DOCS, write_table
from r2po.errors import R2POError
from r2po.llm.types import AttemptFailed
from r2po.serving import find_model
from tests.foreign import servers
from tests.foreign.servers import Foreign
from tests.foreign.trials import TRIALS

TABLE = "table of foreign servers"
_PORT = re.compile(r"(?<=127\.0\.0\.1):\d+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try everything; 0 if every server could be started and every trial came to an end."""
    parser = argparse.ArgumentParser(prog="tools/foreign_servers", description=__doc__)
    parser.add_argument("--litellm-python", type=Path, metavar="PATH", help="interpreter where LiteLLM's proxy is")
    parser.add_argument("--ollama-python", type=Path, metavar="PATH", help="interpreter where ollama-proxy-plus is")
    parser.add_argument("--model", help="smollm2 or a GGUF (a model of random weights, which answers at once)")
    parser.add_argument("--document", type=Path, default=DOCS / "providers.md", help="default: docs/providers.md")
    options = parser.parse_args(arguments)
    with _weights(options.model) as weights:
        makers: list[Callable[[], AbstractContextManager[Foreign]]] = [
            partial(servers.openai, weights),
            partial(servers.anthropic, weights),
        ]
        if options.litellm_python:
            makers.append(partial(servers.gemini, weights, options.litellm_python))
        if options.ollama_python:
            makers.append(partial(servers.ollama, weights, options.ollama_python))
        tried = [found for make in makers if (found := try_all(make)) is not None]
    text = table(tried)
    sys.stdout.write(f"{text}\n")
    complete = len(tried) == len(makers) and not any(cell.startswith("failed") for _, seen in tried for cell in seen)
    if complete and len(tried) == 4:
        write_table(options.document, TABLE, text)
    return 0 if complete else 1


@contextmanager
def _weights(model: str | None) -> Iterator[Path]:
    if model is not None:
        yield find_model(model).path
        return
    from tests.byte_model import write_byte_model

    with tempfile.TemporaryDirectory(prefix="r2po-foreign-") as folder:
        yield write_byte_model(Path(folder) / "bytes.gguf")


def try_all(make: Callable[[], AbstractContextManager[Foreign]]) -> tuple[Foreign, list[str]] | None:
    """Start a server, try everything and stop it; None if it does not start."""
    try:
        with make() as foreign:
            sys.stderr.write(f"{foreign.name}, {foreign.wire}\n")
            return foreign, [_PORT.sub("", _seen(trial, foreign)) for trial in TRIALS.values()]
    except (R2POError, RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return None


def _seen(trial: Callable[[Foreign], str], foreign: Foreign) -> str:
    try:
        return trial(foreign)
    except (AttemptFailed, R2POError) as failure:
        return f"failed: {' '.join(str(failure).replace('|', '/').split())}"
    except Exception:  # noqa: BLE001 - a defect: the others are tried all the same
        traceback.print_exc()
        return "failed: an exception that is a defect of r2po"


def table(tried: Sequence[tuple[Foreign, Sequence[str]]]) -> str:
    """Return what was seen as Markdown: a column for each server."""
    heads = [f"{foreign.wire}: {foreign.name}" for foreign, _ in tried]
    lines = [f"| tried | {' | '.join(heads)} |", "|---" * (len(tried) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(cells)} |" for name, *cells in zip(TRIALS, *(seen for _, seen in tried), strict=True)
    ]
    versions = sorted({version for foreign, _ in tried for version in foreign.versions.split(", ")})
    day = datetime.now(timezone.utc).date().isoformat()
    return "\n".join([*lines, "", f"Seen on {day} with {', '.join(versions)}."])


if __name__ == "__main__":
    sys.exit(main())
