"""TensorBoard, read by its own reader: the doubles of the log, whatever happened to the run."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import urllib.parse
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.commands.track import send_runs
from tests.process.processes import wait_until
from tests.trackers.runs import Make, iterations, result, unfinish

pytest.importorskip("tensorboard", reason="needs TensorBoard: pip install 'r2po[tensorboard]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def tensors(folder: Path) -> dict[str, list[tuple[int, float, Any]]]:
    """Return step, time and value of each event, by tag, as TensorBoard's own reader has them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    found = accumulator.Tags()["tensors"]
    events = {tag: accumulator.Tensors(tag) for tag in found}
    return {tag: [(x.step, x.wall_time, make_ndarray(x.tensor_proto)) for x in events[tag]] for tag in found}


def folder(run: Path) -> Path:
    return run / "tensorboard (stand-in)"


def steps(run: Path, tag: str = "reward/kept") -> list[int]:
    return [step for step, _, _ in tensors(folder(run))[tag]]


def test_it_holds_the_doubles_of_the_log(make: Make) -> None:
    run = make("tensorboard")
    found = tensors(folder(run))
    logged = iterations(run)
    for tag, key in (("reward/kept", "reward"), ("reward/best", "best_reward"), ("budget/steps", "steps")):
        exact = found[f"exact/{tag}"]
        assert [(step, value.item()) for step, _, value in exact] == [(x["iteration"], x[key]) for x in logged]
        assert {value.dtype.name for _, _, value in exact} == {"float64"}
        shown = found[tag]
        assert [(step, value.item()) for step, _, value in shown] == [(x["iteration"], float32(x[key])) for x in logged]
    seconds = [value.item() for _, _, value in found["exact/time/iteration_s"]]
    assert seconds == [each["times"]["elapsed_s"] for each in logged]  # no number of single precision is that
    assert found["exact/heldout/mean"][0][2].item() == result(run)["heldout_reward"]
    config = found["config"][0][2].item().decode()
    assert "    gym_env_name: Nim-v0\n" in config
    assert all(line.startswith("    ") for line in config.splitlines())  # a block of code, no Markdown
    assert b"stand_in: true" in found["run"][0][2].item()
    assert found["best_policy"][0][0] == 4


def float32(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.slow
def test_the_pages_that_its_command_serves_have_all_scalars_and_texts(make: Make) -> None:
    run = make("tensorboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    options = ("--logdir", str(run.parent.parent), "--port", address.rpartition(":")[2], "--host", "127.0.0.1")
    command = [sys.executable, "-m", "tensorboard.main", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            name = "exp/run_1/tensorboard (stand-in)"
            wait_until(lambda: "heldout/mean" in asked(f"{address}/data/plugin/scalars/tags").get(name, ()), server)
            found = set(asked(f"{address}/data/plugin/scalars/tags")[name])
            assert {"reward/kept", "reward/best", "budget/steps"} < found
            assert not [tag for tag in found if tag.startswith("exact/")]
            query = urllib.parse.urlencode({"run": name, "tag": "reward/kept"})
            points = asked(f"{address}/data/plugin/scalars/scalars?{query}")
            assert [value for _, _, value in points] == [float32(each["reward"]) for each in iterations(run)]
            assert set(asked(f"{address}/data/plugin/text/tags")[name]) >= {"config", "result", "best_policy"}
        finally:
            server.terminate()


def asked(address: str) -> Any:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)
    except OSError:  # it is not up yet
        return {}


def test_a_killed_run_goes_on_without_gap_or_duplicate(make: Make) -> None:
    run = make("tensorboard")
    unfinish(run, left=3)
    (path,) = folder(run).iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"heldout/mean") - 900])  # in the middle of a record
    assert steps(run) < [1, 2, 3, 4]
    make("tensorboard")
    assert steps(run) == [1, 2, 3, 4]
    assert steps(run, "heldout/mean") == [4]
    assert steps(run, "config") == [0]
    files = {each.name: each.read_bytes() for each in folder(run).iterdir()}
    assert list(send_runs([str(run)], ["tensorboard"], {}, print)) == [f"{run} to tensorboard: nothing new"]
    assert {each.name: each.read_bytes() for each in folder(run).iterdir()} == files


def test_a_figure_is_an_image(make: Make) -> None:
    run = make()
    (run / "curve.png").write_bytes(png(3, 2))
    list(send_runs([str(run)], ["tensorboard"], {}, print))
    ((_, _, image),) = tensors(folder(run))["figures/curve"]
    assert image[:2].tolist() == [b"3", b"2"]
    assert image[2] == png(3, 2)


def png(width: int, height: int) -> bytes:
    """Return a black picture."""
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
