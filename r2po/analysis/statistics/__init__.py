"""Statistics over runs, on plain arrays: they know nothing of logs or methods. docs/statistics.md explains each."""

from __future__ import annotations

from r2po.analysis.statistics.aggregates import AGGREGATES, iqm, mean, median, optimality_gap
from r2po.analysis.statistics.align import MeanCurve, Series, mean_curve
from r2po.analysis.statistics.arrays import Floats, Scores, sample_std
from r2po.analysis.statistics.bootstrap import ConfidenceInterval, percentile_interval, stratified_bootstrap
from r2po.analysis.statistics.comparison import probability_of_improvement, superiority
from r2po.analysis.statistics.holm import holm
from r2po.analysis.statistics.noise import MeanChange, mean_changes
from r2po.analysis.statistics.permutation import Permutation, permutation_test
from r2po.analysis.statistics.profile import Profile, performance_profile
from r2po.analysis.statistics.proportions import (
    OddsRatio,
    clustered_interval,
    clustered_odds_ratio,
    odds_ratio,
    wilson_interval,
)
from r2po.analysis.statistics.welch import Welch, welch, welch_interval

__all__ = [
    "AGGREGATES",
    "ConfidenceInterval",
    "Floats",
    "MeanChange",
    "MeanCurve",
    "OddsRatio",
    "Permutation",
    "Profile",
    "Scores",
    "Series",
    "Welch",
    "clustered_interval",
    "clustered_odds_ratio",
    "holm",
    "iqm",
    "mean",
    "mean_changes",
    "mean_curve",
    "median",
    "odds_ratio",
    "optimality_gap",
    "percentile_interval",
    "performance_profile",
    "permutation_test",
    "probability_of_improvement",
    "sample_std",
    "stratified_bootstrap",
    "superiority",
    "welch",
    "welch_interval",
    "wilson_interval",
]
