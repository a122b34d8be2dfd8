"""Sign and direction from rollouts of their own: what equally good policies give, and what is taken from which."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.salience.controls import split_table
from r2po.analysis.salience.counts import Salience, analyse
from r2po.analysis.salience.returns import FEWEST_ROLLOUTS, halve
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.salience.signs import LEVELS, strata_of_level
from r2po.analysis.statistics.odds import OddsRatio
from r2po.cli import main
from tests.analysis.salience.made_revisions import revision, write_pairs
from tests.analysis.statistics.documented import off, percent, rows, told

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[Floats, Floats]]

K = 20
REPEATS = 60


def goal_or_not(generator: np.random.Generator) -> tuple[Floats, Floats]:
    """As on FrozenLake: a policy reaches the goal about every other time."""
    return tuple(generator.binomial(1, generator.uniform(0.4, 0.6), size=(2, K)).astype(np.float64))


def falls_early(generator: np.random.Generator) -> tuple[Floats, Floats]:
    """As on CartPole: episodes end at the cap, or before it with a probability of the policy's own."""
    lengths = generator.geometric(10 ** -generator.uniform(1, 3.5), size=(2, K))
    return tuple(np.minimum(lengths, 500).astype(np.float64))


def on_the_same_seeds(generator: np.random.Generator) -> tuple[Floats, Floats]:
    """As under the controlled protocol: rollout k of both has the luck of the same seed, and little of its own."""
    luck = generator.exponential(size=K) * generator.uniform(0.5, 2)
    return tuple(-luck + generator.normal(0, 0.1, size=(2, K)))


def sample(draw: Draw, seed: int, runs: int = 10, iterations: int = 100) -> list[Revision]:
    """Return iterations whose proposal and revision are equally good."""
    generator = np.random.default_rng([seed, 5])
    return [revision(*draw(generator), run) for run in range(runs) for _ in range(iterations)]


def analysed(revisions: list[Revision], method: str = "pure_search", mode: str = "word") -> Salience:
    return analyse(revisions, task_facts("frozenlake"), method_facts(method), mode)


def test_equally_good_policies_give_an_odds_ratio_of_1(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for run in range(1, 9):
        write_pairs(tmp_path / "logs" / "frozenlake", run, [goal_or_not(generator) for _ in range(40)])
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(tmp_path), "--formats", "json"]
    assert main(["paper_salience_analysis", *arguments]) == 0
    (record,) = json.loads((tmp_path / "salience.json").read_text())["analyses"]
    ratio = record["odds_ratio_to_improvements"]
    assert ratio["low"] < 1 < ratio["high"]
    assert ratio["value"] < 2
    # With both from the same rollouts, luck alone makes a sign of regressions.
    assert record["same_rollouts"]["odds_ratio_to_improvements"]["value"] > 4


def log_ratios(draw: Draw) -> dict[str, tuple[Floats, float]]:
    """Return logarithms of odds ratios, of the same rollouts and of halves, and per cent of intervals that cover 1."""
    ratios: dict[str, list[OddsRatio]] = {"same rollouts": [], "halves": []}
    for seed in range(REPEATS):
        analysis = analysed(sample(draw, seed))
        assert analysis.split is not None
        for name, table in (("same rollouts", analysis.same), ("halves", analysis.split.proxy)):
            assert table.to_improvements is not None
            ratios[name].append(table.to_improvements)
    return {
        name: (
            np.log([each.value for each in found]),
            100 * float(np.mean([each.low <= 1 <= each.high for each in found])),
        )
        for name, found in ratios.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(("line", "draw"), [(1, goal_or_not), (2, falls_early), (3, on_the_same_seeds)])
def test_intervals_cover_1_as_often_as_they_say(line: int, draw: Draw) -> None:
    """And the table of the page comes out again."""
    found = log_ratios(draw)
    cells = rows("returns of a policy")[line][1:]
    for (logarithms, covered), documented, coverage in zip(found.values(), cells[::2], cells[1::2], strict=True):
        error = float(np.std(logarithms, ddof=1)) / REPEATS**0.5
        assert abs(np.mean(logarithms) - np.log(float(documented))) < 3 * error + 0.005 / float(documented)
        assert off({"covers 1": covered}, {"covers 1": percent(coverage)}, REPEATS, 1.0) == {}
    logarithms, covered = found["halves"]
    assert abs(np.mean(logarithms)) < 4 * np.std(logarithms) / REPEATS**0.5
    assert covered > 90


def mentioned(seed: int) -> float:
    """Return the odds ratio with mention, of a critic that speaks of the worst if most others went better."""
    generator = np.random.default_rng([seed, 5])
    pairs = [goal_or_not(generator) for _ in range(1000)]
    revisions = [
        revision(*pair, index // 100, method="three_traj", mentions=bool(pair[0].mean() > 0.5))
        for index, pair in enumerate(pairs)
    ]
    split = analysed(revisions, "three_traj").split
    assert split is not None
    assert split.mention is not None
    falls, rises = (split.mention[name] for name in ("regression", "improvement"))
    return falls.count * (rises.known - rises.count) / (rises.count * (falls.known - falls.count))


@pytest.mark.slow
def test_a_mention_knows_the_direction() -> None:
    logarithms = np.log([mentioned(seed) for seed in range(REPEATS)])
    (documented,) = told(r"odds ratio of these shares was ([\d.]+) in the first simulation")
    error = float(np.std(logarithms, ddof=1)) / REPEATS**0.5
    assert abs(np.mean(logarithms) - np.log(documented)) < 3 * error + 0.05 / documented


def test_a_real_relation_is_found() -> None:
    """Policies whose worst rollout stands out are made worse, all others better."""
    generator = np.random.default_rng(1)
    revisions = []
    for index in range(300):
        before = generator.normal(10, 1, K) if index % 2 else np.full(K, 10.0)
        after = before + generator.normal(-1 if index % 2 else 1, 1.5)
        revisions.append(revision(before, after, index % 6))
    split = analysed(revisions).split
    assert split is not None
    assert split.proxy.to_improvements is not None
    assert split.proxy.to_improvements.low > 3


def test_even_rollouts_make_the_sign_and_odd_ones_the_direction() -> None:
    before, after = np.full(8, 5.0), np.full(8, 5.0)
    before[0], after[3] = 1.0, 4.0
    halves = halve(before, after)
    assert halves is not None
    assert (halves.shown.worst, halves.shown.median, halves.level) == (1.0, 5.0, 4.0)
    assert halves.direction == "regression"
    # What an even rollout of the revision does is for nothing.
    after[2] = 100.0
    assert halve(before, after) == halves


def test_of_unequal_numbers_the_same_rollouts_are_compared() -> None:
    before = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    after = np.array([*before, -100.0, -100.0, -100.0, -100.0])
    halves = halve(before, after)
    assert halves is not None
    assert halves.direction == "no_change"


def test_too_few_rollouts_cannot_be_halved() -> None:
    few = [revision(np.arange(5.0), np.arange(5.0) + 1), revision(np.arange(5.0), np.arange(5.0) - 1)]
    analysis = analysed(few)
    assert analysis.split is not None
    assert (analysis.split.left_out, analysis.split.proxy.to_improvements) == (2, None)
    table = split_table([analysis], "word", [])
    assert f"fewer than {FEWEST_ROLLOUTS} rollouts" in " ".join(line for cell in table.cells[0] for line in cell.below)
    assert analysis.same.to_improvements is not None


def test_missing_replies_count_for_nothing() -> None:
    rising, falling = (np.arange(8.0), np.arange(8.0) + 1), (np.arange(8.0), np.arange(8.0) - 1)
    heard = [
        revision(*falling, method="three_traj", mentions=True),
        revision(*rising, method="three_traj", mentions=False),
    ]
    silent = [revision(*falling, method="three_traj") for _ in range(7)]
    analysis = analysed(heard + silent, "three_traj")
    regressions = analysis.counts["regression"]
    assert (regressions.strict_mention.count, regressions.strict_mention.known) == (1, 1)
    assert (regressions.strict.count, regressions.strict.known, regressions.without_reply) == (8, 8, 7)
    assert analysis.split is not None
    assert analysis.split.mention is not None
    assert analysis.split.mention["regression"].value == 1.0
    assert analysis.split.mention["regression"].unknown == 7
    assert analysis.split.proxy.shares["regression"].known == 8


def test_strata_are_fifths_in_each_environment() -> None:
    levels = [float(level) for level in range(10)]
    revisions = [revision(np.full(6, level), np.full(6, 0.0)) for level in levels]
    revisions += [revision(np.full(6, 7.0), np.full(6, 0.0), environment="nim")]
    assert strata_of_level(revisions) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, LEVELS]
    # Equal levels are never apart.
    assert (
        len({*strata_of_level([revision(np.full(6, 0.1 + 0.2), np.zeros(6)), revision(np.full(6, 0.3), np.zeros(6))])})
        == 1
    )


def test_level_alone_does_not_make_a_relation() -> None:
    """High proposals have the sign and fall, low ones have it not and rise, whatever the sign."""
    generator = np.random.default_rng(2)
    revisions = []
    for index in range(400):
        high = index % 2 == 1
        sign = generator.random() < (0.8 if high else 0.2)
        before = np.full(K, 10.0 if high else 0.0)
        before[::2] += np.tile([-1.0, 1.0], K // 4) if sign else 0.0
        falls = generator.random() < (0.8 if high else 0.2)
        revisions.append(revision(before, before - 1 if falls else before + 1, index % 8))
    analysis = analysed(revisions)
    assert analysis.split is not None
    crude = analysis.same.to_improvements
    within = analysis.split.proxy.to_improvements
    assert crude is not None
    assert within is not None
    assert crude.low > 1.5
    assert within.low < 1 < within.high
