"""``r2po list`` and ``main.py --list``: what there is to choose from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2po.cli.plugin_option import add_plugin_option

if TYPE_CHECKING:
    from r2po.methods import Method

FILE_WIDTH = 160


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "--configs",
        type=Path,
        metavar="DIR",
        help="folder of the configs (default: configs/, else those that come with r2po)",
    )


def run(options: argparse.Namespace) -> int:
    """Print environments, methods, policies, models and configs."""
    print_tables(options.configs)
    return 0


def print_tables(configs: Path | None = None) -> None:
    """Print one table for each kind of thing that a config names."""
    from r2po.config.load import config_folder
    from r2po.installation import shipped_configs
    from r2po.llm.registry import usages
    from r2po.methods import METHODS
    from r2po.plugins import load_installed, loaded
    from r2po.policies import FAMILIES
    from r2po.tasks import TASKS

    load_installed()
    _table(
        "Environments (gym_env_name), with R2PO's settings",
        ("gym id", "policy", "cap", "target", "step size", "tau_c", "warm-up"),
        [
            (
                task.gym_id,
                task.policy,
                _number(task.max_traj_length),
                _number(task.optimum),
                _number(task.search_step_size),
                _number(task.conservative_threshold),
                f"{task.warmup_episodes}",
            )
            for task in TASKS.values()
        ],
    )
    _table(
        "Methods (method)",
        ("name", "label", "calls", "iterations", "one iteration"),
        [
            (
                method.name,
                method.label,
                f"{method.calls_per_iteration(_defaults(method))}",
                f"{method.default_iterations(_defaults(method))}",
                _first_line(method.iterate.__doc__),
            )
            for method in METHODS.values()
        ],
    )
    _table("Policies (policy)", ("name", "what it is"), [(n, _first_line(f.__doc__)) for n, f in FAMILIES.items()])
    _table("Models (llm_model_name)", ("name", "provider", "key"), usages())
    plugins = [(each.name, each.version or "-", each.place.file or each.place.module) for each in loaded()]
    if plugins:
        _table("Plugins that are loaded", ("name", "version", "from"), plugins)
    configs = configs or config_folder()
    title = f"Configs in {configs}"
    if configs == shipped_configs():
        title = "Configs that come with r2po (`r2po init DIR` copies them into DIR/configs)"
    folders = sorted(each for each in configs.iterdir() if each.is_dir()) if configs.is_dir() else []
    rows = [(each.name, "\n".join(sorted(file.stem for file in each.glob("*.yaml")))) for each in folders]
    _table(title, ("folder", "experiments"), rows)


def _defaults(method: Method) -> dict[str, Any]:
    """Return the values of a config that sets nothing else."""
    from r2po.config import resolve

    policy = next((name for name in ("linear", "tabular") if method.fits(name)), None)
    names = {"gym_env_name": "CartPole-v1", "method": method.name, "policy": policy, "llm_model_name": "any"}
    return dict(resolve({**names, "logdir": "any"}, "defaults"))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table

    from r2po.terminal import console

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "gym id"))
    for row in rows:
        table.add_row(*row)
    # In a file or pipe, a row must not be broken into lines.
    console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].replace("``", "")
