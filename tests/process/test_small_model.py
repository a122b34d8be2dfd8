"""SmolLM2, a real language model, under llama.cpp's server: what random weights cannot show. It takes minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests

from r2po.commands.demo import CONTEXT, METHODS, config_of
from r2po.config.load import resolve
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.runlog.events import read_calls
from r2po.serving import Served, ServerSettings, find_model, serve
from tests.process.processes import records, wait_until
from tests.process.test_real_server import BRIEF, free_port
from tests.real_server import needs_smollm2

pytestmark = [needs_smollm2, pytest.mark.slow]

MOST_TOKENS = 7500
"""Of a prompt of the demo: the rest of the context is for the reply and the complaints of re-asks."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serve(ServerSettings(find_model("smollm2"), context=CONTEXT, slots=2)) as served:
        yield served


def tokens(served: Served, text: str) -> int:
    """Return how many tokens the model makes of a text."""
    url, headers = served.base_url.removesuffix("/v1"), {"Authorization": f"Bearer {served.key}"}
    answer = requests.post(f"{url}/tokenize", json={"content": text}, headers=headers, timeout=60)
    return len(answer.json()["tokens"])


@pytest.mark.parametrize("method", METHODS)
def test_every_prompt_of_the_demo_fits_into_the_context(method: str, server: Served, tmp_path: Path) -> None:
    """The stand-in plays: its policies balance the pole to the end, so rollouts and histories are as long as can be."""
    config = config_of(method, "smollm2", tmp_path, 60)
    launch(config.model_copy(update={"llm_model_name": "embedded/search"}), None, {}, Observer())
    calls = read_calls(tmp_path / method / "run_1")
    counts = [tokens(server, call.prompt) for call in calls]
    assert len(counts) >= 60
    assert max(counts) < MOST_TOKENS
    lengths = [
        max(each["lengths"])
        for record in records(tmp_path / method / "run_1/iterations.jsonl")
        for each in record["candidates"]
    ]
    assert max(lengths) == 500, "a whole episode was never shown"


def test_it_answers_within_what_was_asked(server: Served, tmp_path: Path) -> None:
    result = launch(config_of("r2po", server.name, tmp_path, 2), None, server.environ, Observer())
    assert (result["iterations"], result["refused_replies"], result["failed_attempts"]) == (2, 0, 0)
    for record in records(tmp_path / "r2po/run_1/iterations.jsonl"):
        for candidate in record["candidates"]:
            assert all(-6 <= value == round(value, 1) <= 6 for value in candidate["params"])


def test_a_run_waits_for_a_server_that_is_still_loading(tmp_path: Path) -> None:
    port, key = free_port(), "local-a-key-that-both-know"
    settings = ServerSettings(find_model("smollm2"), port=port, key=key, context=CONTEXT)
    health = f"http://127.0.0.1:{port}/health"

    def is_loading() -> bool:
        try:
            return requests.get(health, timeout=10).status_code == 503
        except requests.ConnectionError:
            return False

    done: list[bool] = []

    def serve_until_done() -> None:
        with serve(settings):
            wait_until(lambda: bool(done))

    brief = {**BRIEF, "method": "props", "gym_env_name": "CartPole-v1", "llm_model_name": "smollm2"}
    config = resolve({**brief, "num_iterations": 1, "max_output_tokens": 100, "logdir": str(tmp_path)}, "test")
    thread = Thread(target=serve_until_done)
    thread.start()
    try:
        wait_until(is_loading)
        environ = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": key}
        result = launch(config, None, environ, Observer())
    finally:
        done.append(True)
        thread.join()
    assert result["failed_attempts"] > 0
    failures = [event["reason"] for event in records(tmp_path / "run_1/llm_calls.jsonl") if event["event"] == "failure"]
    assert all("Loading model" in reason for reason in failures)
