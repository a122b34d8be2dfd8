"""Methods are told apart in colour, by colour-blind readers, and in grey print."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.output.canvas import wrapped
from r2po.analysis.output.style import paper_style
from r2po.analysis.paper.presets import PRESETS

# Linear RGB as seen with one kind of cone missing (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour: str) -> NDArray[np.float64]:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str = "normal") -> NDArray[np.float64]:
    xyz = TO_XYZ @ np.clip(VISION[vision] @ linear(colour), 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


COLOURS = {name: facts["style"]["colour"] for name, facts in BUILT_IN.items()}
TOGETHER = {
    "models": [
        name
        for name, facts in BUILT_IN.items()
        if (facts["roles"] or name == "sb3") and facts["searches"] != "programs"
    ],
    "programs": ["props", "propsp", "r2po", "sb3", "promptpo", "promptpo_tuned"],
    "search": [method for methods in PRESETS["search"].values() for method in methods],
}
"""What may stand in one figure of the paper."""


@pytest.mark.parametrize("figure", TOGETHER)
@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_eye(vision: str, figure: str) -> None:
    for one, other in combinations((COLOURS[name] for name in TOGETHER[figure]), 2):
        assert np.linalg.norm(lab(one, vision) - lab(other, vision)) > 20, (one, other)


@pytest.mark.parametrize("figure", TOGETHER)
def test_colours_differ_in_grey(figure: str) -> None:
    lightness = sorted(lab(COLOURS[name])[0] for name in TOGETHER[figure])
    assert min(np.diff(lightness)) > 4.5
    assert lightness[0] > 20, "black is taken"
    assert lightness[-1] < 80, "too pale on white"
    core = sorted(lab(COLOURS[name])[0] for name in ("props", "propsp", "r2po", "sb3"))
    assert min(np.diff(core)) > 14


def test_markers_and_labels_differ() -> None:
    for looks in (
        {facts["style"]["marker"] for facts in BUILT_IN.values()},
        {facts["label"] for facts in BUILT_IN.values()},
    ):
        assert len(looks) == len(BUILT_IN)


def test_style_ignores_the_users_and_leaves_it_as_it_was() -> None:
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 3.0}):
        with paper_style():
            assert mpl.rcParams["axes.facecolor"] == "white"
            assert mpl.rcParams["font.size"] > 3
        assert mpl.rcParams["axes.facecolor"] == "red"
        assert mpl.rcParams["font.size"] == 3


def test_captions_break_neither_numbers_nor_shares() -> None:
    text = "Mean of n = 10 runs; lines: 95 % intervals. "
    for characters in range(10, 60):
        lines = wrapped(text * 3, characters)
        assert " ".join(lines) == (text * 3).strip()
        assert not any(line.startswith(("=", "10", "%")) for line in lines)
