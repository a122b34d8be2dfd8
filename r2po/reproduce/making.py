"""The commands that make tables, figures and tests of logs, as anybody can give them by hand."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.reproduce.part import Command, Place

TABLES, FIGURES = ("md", "csv", "latex", "json", "png"), ("pdf", "svg")


def beside(place: Place, reference: str = "published") -> list[str]:
    """Return the option that puts published figures beside ours; none where nothing is compared."""
    return ["--reference", reference] if place.compared and not place.smoke else []


def logged(place: Place, reference: str = "published") -> list[str]:
    """Return what makes tables of logged rewards, with published figures beside them where they are compared."""
    return beside(place, reference) or ["--as-published"]


def environments(place: Place) -> list[str]:
    """Return the option that asks for some environments only; none if all of the part are wanted."""
    return ["--envs", *place.environments] if place.environments else []


def only(place: Place) -> list[str]:
    """Return the same for analyses that take one environment an option."""
    return [text for name in place.environments for text in ("--only-env", name)]


def results(preset: str, place: Place, reference: str = "published") -> list[Command]:
    """Return what makes the tables of results, the curves, and the tables at the same budget."""
    logs, rows = [*place.from_logs, "--preset", preset], environments(place)
    tables = [*logs, *rows, "--formats", *TABLES, "--output-dir"]
    curves = [*logs, *rows, "--formats", *FIGURES, "--output"]
    return [
        Command("paper_results_tables", [*tables, place.file("tables"), *logged(place, reference)]),
        Command("paper_results_tables", [*tables, place.file("tables_on_fresh_episodes")]),
        Command("paper_reward_curves", [*curves, place.file("curves/reward.png")]),
        Command("paper_reward_curves", [*curves, place.file("curves/incumbent.png"), "--value", "incumbent"]),
        Command("paper_budget_tables", [*logs, *rows, "--formats", "md", "csv", "--output-dir", place.file("budget")]),
    ]


def significance(place: Place) -> list[Command]:
    """Return what tests R2PO against its baselines, as the paper does: the best one, and each."""
    made = []
    for mode in ("best", "all"):
        for metric in ("best_reward", "mean_reward", "final_reward"):
            asked = ["--comparison-mode", mode, "--metric", metric, *place.from_logs, *environments(place)]
            asked += beside(place)
            name = place.file(f"tests/{mode}_{metric}")
            made.append(Command("paper_significance_tests", [*asked, "--output", f"{name}.md"]))
            drawn = ["--output", f"{name}.json", "--figure", f"{name}.png"]
            made.append(Command("paper_significance_tests", [*asked, *drawn]))
    return made


def robust(methods: Sequence[str], place: Place) -> list[Command]:
    """Return what compares methods over all environments."""
    asked = [*place.from_logs, *only(place), "--methods", ",".join(methods), "--metric", "best_reward"]
    return [Command("paper_robust_statistics", [*asked, "--output-dir", place.file("robust")])]
