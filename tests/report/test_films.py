from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from r2po.experiment.setting import Setting
from r2po.report.blocks import Wanted, blocks_of
from r2po.report.films import DRAWN, MOST, WIDTH, film_of
from r2po.report.frame import own_script
from r2po.report.packing import unpack
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
