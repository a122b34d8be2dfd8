"""``paper_reward_curves.py``: reward over episodes, a panel per environment."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path

from r2po.cli.analysis_options import PRESETS, add_logs_options, show, warn
from r2po.cli.starting import place
from r2po.errors import InputError

FORMATS = ("png", "pdf", "svg")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--preset", choices=PRESETS, default="core", help="which methods (default: core)")
    add_logs_options(parser)
    parser.add_argument(
        "--output",
        default=None,
        type=place,
        metavar="FILE",
        help="figure to write: .png, .pdf or .svg (default: reward_curves_PRESET.png)",
    )
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=[], help="write it in these formats as well")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="panels (default: all with runs)")
    parser.add_argument("--layout", metavar="ROWSxCOLUMNS", help="grid of panels, e.g. 2x5 (default: three columns)")


def run(options: argparse.Namespace) -> int:
    """Draw a figure for each model and protocol."""
    output = Path(options.output or f"reward_curves_{options.preset}.png")
    suffix = output.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise InputError(f"--output {str(output)!r} ends in {output.suffix!r}; expected .png, .pdf or .svg")
    layout = _layout(options.layout)

    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.output.curves import draw_curves
    from r2po.analysis.output.writing import write_figure
    from r2po.analysis.paper.reward_curves import build_curves

    experiments = find_experiments(options.logs_root, options.max_runs, options.envs, parallel=True)
    environments = [parse_environment(name, (each.task for each in experiments)) for name in options.envs]
    figures, lines = build_curves(options.preset, experiments, environments)
    warn(lines)
    for figure in figures:
        if layout is not None and layout[0] * layout[1] < len(figure.panels):
            raise InputError(f"--layout {options.layout} has no room for {len(figure.panels)} panels")
        stem = output.with_suffix("")
        if len(figures) > 1:
            name = "no_model" if figure.cohort is None else re.sub(r"\W+", "_", figure.cohort.label).strip("_")
            stem = stem.with_name(f"{stem.name}_{name}")
        draw = partial(draw_curves, figure.panels, figure.title, figure.caption, layout)
        show(write_figure(draw, stem, [suffix, *options.formats]))
    return 0


def _layout(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d?)[xX,]([1-9]\d?)", text)
    if match is None:
        raise InputError(f"--layout is {text!r}; expected ROWSxCOLUMNS, e.g. 2x5")
    return int(match[1]), int(match[2])
