"""The process of a local server, started as a script. The parent's side is ``server.py``.

The first line of its standard input holds its settings; among them is the key, which so stands neither in the list of
processes nor in an environment. It says on standard output where it listens. It ends when its input ends: the parent
keeps that open, so it also ends if the parent is killed.
"""

from __future__ import annotations

import json
import os
import select
import sys
from typing import Any

HOST = "127.0.0.1"
_BETWEEN_LOOKS_S = 1.0
_WARNINGS = 2  # llama.cpp's level of messages


def main() -> int:
    """Serve until the parent is gone."""
    parent = os.getppid()
    settings = json.loads(sys.stdin.buffer.readline())
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the library prints belongs into the log
    server = _start(settings)
    with report:
        json.dump({"address": server.listening_address}, report)
        report.write("\n")
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], _BETWEEN_LOOKS_S)
        if ready and not os.read(0, 1):
            break
    # The library's threads would finish what they generate first.
    os._exit(0)


def _start(settings: dict[str, Any]) -> Any:
    """Load the model and listen; the library raises ``RuntimeError`` if it cannot."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.hostnames = [HOST]
    params.port = settings["port"]
    params.api_keys = [settings["key"]]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["context"] * settings["slots"]  # it is divided among them
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.fit_params = False  # else it may shorten the context that was asked for
    params.use_jinja = True  # the chat template is the model's own
    params.endpoint_props = True
    params.ui = False
    params.warmup = settings["warmup"]
    params.verbosity = _WARNINGS
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())
