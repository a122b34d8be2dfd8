"""``paper_reward_curves.py``: reward over what was spent, a panel per environment."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path

from r2po.cli.analysis_options import UNITS, add_as_published, add_logs_options, add_preset_options, found, show, warn
from r2po.cli.starting import place
from r2po.errors import InputError, nearest

FORMATS = ("png", "pdf", "svg")
TOGETHER, APART = "all-in-one", "per-env"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_preset_options(parser)
    add_logs_options(parser)
    parser.add_argument(
        "--output",
        default=None,
        type=place,
        metavar="FILE",
        help="figure to write: .png, .pdf or .svg (default: reward_curves_PRESET.png, or reward_curves_chosen.png)",
    )
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=[], help="write it in these formats as well")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="panels (default: all with runs)")
    parser.add_argument(
        "--layout",
        default=TOGETHER,
        metavar="LAYOUT",
        help=f"{TOGETHER}: one figure with a panel per environment, in three columns; {APART}: one file per "
        f"environment; or ROWSxCOLUMNS, e.g. 2x5: one figure with this grid (default: {TOGETHER})",
    )
    parser.add_argument(
        "--axis",
        choices=UNITS,
        default="episodes",
        help="what is spent along the horizontal axis; tokens and money are read from all calls, which takes longer "
        "(default: episodes)",
    )
    parser.add_argument(
        "--value",
        choices=("reward", "incumbent"),
        default="reward",
        help="reward of the accepted candidate, or of the best policy so far (default: reward)",
    )
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Draw a figure for each model and protocol, or for each environment of each."""
    preset = "chosen" if options.methods else options.preset
    output = Path(options.output or f"reward_curves_{preset}.png")
    suffix = output.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise InputError(f"--output {str(output)!r} ends in {output.suffix!r}; expected .png, .pdf or .svg")
    layout = _layout(options.layout)

    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.logs.spending import UNITS as AXES
    from r2po.analysis.output.curves import draw_curves
    from r2po.analysis.output.writing import write_figure
    from r2po.analysis.paper.reward_curves import Plot, build_curves

    experiments, methods = found(options)
    environments = [parse_environment(name, (each.task for each in experiments)) for name in options.envs]
    plot = Plot(options.axis, options.value == "incumbent")
    figures, lines = build_curves(
        preset,
        experiments,
        environments,
        methods=methods,
        apart=options.layout == APART,
        as_published=options.as_published,
        plot=plot,
    )
    warn(lines)
    several = len({figure.cohort for figure in figures}) > 1
    for figure in figures:
        if layout is not None and layout[0] * layout[1] < len(figure.panels):
            raise InputError(f"--layout {options.layout} has no room for {len(figure.panels)} panels")
        stem = output.with_suffix("")
        names = [stem.name, *([figure.environment] if figure.environment else [])]
        if several:
            names.append("no_model" if figure.cohort is None else re.sub(r"\W+", "_", figure.cohort.label).strip("_"))
        stem = stem.with_name("_".join(names))
        labels = (AXES[options.axis], plot.y_label)
        draw = partial(draw_curves, figure.panels, figure.title, figure.caption, layout, *labels)
        show(write_figure(draw, stem, [suffix, *options.formats]))
    return 0


def _layout(text: str) -> tuple[int, int] | None:
    if text in (TOGETHER, APART):
        return None
    match = re.fullmatch(r"([1-9]\d?)[xX,]([1-9]\d?)", text)
    if match is None:
        hint = nearest(text, (TOGETHER, APART))
        raise InputError(f"--layout is {text!r}; expected {TOGETHER}, {APART} or ROWSxCOLUMNS, e.g. 2x5{hint}")
    return int(match[1]), int(match[2])
