"""Stable-Baselines3's part of a table: its suites, one after the other, and why they are left out if they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from r2po.baselines.sb3.config import SB3Config, load_sb3_config
from r2po.baselines.sb3.screen import make_suite_screen
from r2po.baselines.sb3.suite import make_plans, run_suite
from r2po.baselines.sb3.zoo import find_zoo
from r2po.errors import InputError, R2POError
from r2po.installation import shipped_configs
from r2po.reproduce.request import SMOKE_SUITE, Request


def suite_configs(request: Request, settings: Sequence[str]) -> list[SB3Config]:
    """Return the configs of the suites that are wanted, with as many trials as there are runs.

    Raises:
        InputError: A setting cannot be used.
    """
    place = request.place
    given = [*(_smoke_settings() if place.smoke else ()), *settings]
    found = []
    for each in request.suites:
        config = load_sb3_config(shipped_configs() / each.config, given, changes={"num_trials": place.runs})
        logdir = str(place.logs / PurePath(config.logdir).name)
        found.append(config.model_copy(update={"logdir": logdir}))
    return found


def _smoke_settings() -> list[str]:
    """Return the settings of smoke; without the zoo, its hyperparameters are not missed there."""
    try:
        find_zoo("auto")
    except InputError:
        return [*SMOKE_SUITE, "zoo_hyperparams_dir=null"]
    return list(SMOKE_SUITE)


def why_left_out(configs: Sequence[SB3Config]) -> str:
    """Return why the suites cannot be run, in one line; empty if they can."""
    try:
        for config in configs:
            make_plans(config)
    except InputError as error:
        return str(error).replace("--set ", "--set-sb3 ")  # the option is called so here
    return ""


def amount(configs: Sequence[SB3Config]) -> str:
    """Return what the suites will take, as far as that is known, in one line."""
    plans = [plan for config in configs for plan in make_plans(config)]
    left = [plan for plan in plans if not plan.directory.is_complete]
    units = dict.fromkeys("steps" if plan.budget.in_steps else "episodes" for plan in left)
    budget = sum(plan.budget.target for plan in left)
    what = f", {budget:,} {' and '.join(units)} in all" if left else ""
    return (
        f"Stable-Baselines3: {len(left)} of {len(plans)} trials to come{what}, one after the other, without a model; "
        "how long they take is not known"
    )


def run_suites(configs: Sequence[SB3Config], tell: Callable[[str], None], *, quiet: bool) -> list[str]:
    """Run what is missing of each suite; returns a line on each that did not end well, which stops no other."""
    problems = []
    for config in configs:
        try:
            if all(plan.directory.is_complete for plan in make_plans(config)):
                continue
            tell(f"Stable-Baselines3 on {config.task.label}")
            run_suite(config, None, make_suite_screen(quiet=quiet))
        except R2POError as error:
            problems.append(f"Stable-Baselines3 on {config.task.label}: {error}")
    return problems
