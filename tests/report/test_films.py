from __future__ import annotations

import base64
import io
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from r2po.experiment.setting import Setting
from r2po.report import filming, motion
from r2po.report.blocks import Blocks, Wanted, blocks_of
from r2po.report.films import DRAWN, MOST, WIDTH, film_of
from r2po.report.frame import own_script
from r2po.report.packing import Values, unpack
from r2po.runlog import open_run
from tests.builders import make_config
from tests.report.runs import make_run


def test_pictures_of_a_rollout() -> None:
    setting = Setting(make_config("cartpole", max_traj_length=60), seed=1)
    try:
        params = setting.policy.load({"params": [0.0, 0, 0, 0, -1, 1, -1, 1, 0, 0]})
        rollout = setting.roll_out(params, 5)
        film = film_of(setting, setting.bind(params), 5, rollout.total)
        assert film is not None
        assert film["every"] == 4  # 50 steps a second, 12.5 pictures
        assert film["many"] == 1 + rollout.length // 4 <= MOST
        image = Image.open(io.BytesIO(base64.b64decode(film["image"])))
        assert image.size == (12 * WIDTH, -(-film["many"] // 12) * film["height"])
        first, later = (np.asarray(image.crop((x, 0, x + WIDTH, film["height"]))).astype(int) for x in (0, 8 * WIDTH))
        assert np.abs(first - later).max() > 50  # the cart has moved
        assert film_of(setting, setting.bind(params), 5, rollout.total + 1) is None
    finally:
        setting.close()


def test_what_the_page_draws_itself_is_what_its_script_draws() -> None:
    (table,) = re.findall(r"const DRAWINGS = \{(.*?)\n\};", own_script(), re.DOTALL)
    assert {*re.findall(r"^  (\w+)[:,]", table, re.MULTILINE), "nim"} == DRAWN


def test_no_pictures_of_what_the_page_draws(cartpole: Path) -> None:
    found = blocks_of(open_run(cartpole), Wanted(films=True), lambda _: None)
    assert "pictures are only taken of environments that the page cannot draw itself" in found.core["motion"]


@pytest.mark.slow
def test_the_best_policies_of_another_environment(logs: Path) -> None:
    pytest.importorskip("Box2D", reason="needs the extra box2d")
    run = make_run(logs, "lunarlander_props", "num_iterations=3", name="lunarlander")
    blocks = blocks_of(open_run(run), Wanted(films=True), lambda _: None)
    bests = {each["n"] for each in blocks.core["iterations"] if each["is_best"]}
    rollouts = unpack(blocks.packed["motion"])["rollouts"]
    filmed = {blocks.core["candidates"][int(place)]["i"] for place, each in rollouts.items() if "film" in each}
    assert filmed == bests


class Renderer:
    """Stands for the environment's renderer, which is slow; its pictures have a test above.

    Attributes:
        answers: What it gives, one after the other; at last it gives pictures each time.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def __call__(self, *_: object) -> Values | None:
        answer = self.answers.pop(0) if self.answers else {"image": ""}
        if isinstance(answer, Exception):
            raise answer
        return answer


def filmed(run: Path, wanted: Wanted, renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Blocks]:
    """Return the places of candidates with pictures, and the report, as if the page could not draw CartPole."""
    monkeypatch.setattr(motion, "DRAWN", frozenset())
    monkeypatch.setattr(filming, "film_of", renderer)
    found = blocks_of(open_run(run), wanted, lambda _: None)
    rollouts = unpack(found.packed["motion"])["rollouts"]
    return [int(place) for place, each in rollouts.items() if "film" in each], found


def best_places(found: Blocks) -> list[int]:
    bests = {each["n"] for each in found.core["iterations"] if each["is_best"]}
    return [place for place, each in enumerate(found.core["candidates"]) if each.get("kept") and each["i"] in bests]


@pytest.fixture(scope="module")
def improving(logs: Path) -> Path:
    """A run in which several policies are better than all before, and of which prompts showed no rollout."""
    return make_run(logs, "cartpole_props", "max_traj_length=20", "num_iterations=4", name="improving")


def test_pictures_of_what_no_prompt_showed(improving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best policies have pictures whichever rollouts are played: their own are rolled out for that."""
    places, found = filmed(improving, Wanted("shown", films=True), Renderer(), monkeypatch)
    assert places == best_places(found)
    assert len(places) > 1
    assert f"{len(places)} with pictures by the environment's renderer" in found.core["motion"]
    assert found.notes == []


def test_pictures_keep_to_the_limit_of_time(improving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *[0.0] * 4, 0.0, 9.0])  # the start, four rollouts, the first picture, the second one
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    places, found = filmed(improving, Wanted(seconds=5.0, films=True), Renderer(), monkeypatch)
    assert places == best_places(found)[:1]
    late = len(best_places(found)) - 1
    assert f"{late} without pictures, for which there was no time" in found.notes[0]


def test_what_has_no_pictures_is_said_of_it_alone(improving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places, found = filmed(improving, Wanted(films=True), Renderer(None), monkeypatch)
    assert places == best_places(found)[1:]
    assert f"{len(places)} with pictures" in found.core["motion"]
    assert "1 without pictures, since drawing did not give the logged return" in found.notes[0]


def test_a_renderer_that_fails_keeps_the_pictures_before_it(improving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer({"image": ""}, OSError("cannot open /srv/someone/fonts/a.ttf"))
    places, found = filmed(improving, Wanted(films=True), renderer, monkeypatch)
    assert places == best_places(found)[:1]
    assert "1 with pictures" in found.core["motion"]
    assert "no more pictures could be taken: OSError: cannot open …/a.ttf" in found.core["motion"]
