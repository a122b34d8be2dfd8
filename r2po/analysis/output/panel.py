"""The runs of one figure, and what its caption says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r2po.analysis.logs.run_data import RunData, models_label
from r2po.analysis.output.scores import few_mark, few_note
from r2po.runlog.facts import GREY


@dataclass(frozen=True)
class Panel:
    """The runs of one figure, at least one, what they are, e.g. "R2PO on CartPole", and what their rewards are."""

    label: str
    runs: Sequence[RunData]
    note: str = ""

    @property
    def is_single(self) -> bool:
        """Whether it shows one run, without any spread over runs."""
        return len(self.runs) == 1

    @property
    def is_stand_in(self) -> bool:
        """Whether no language model answered in any of the runs."""
        return any(run.stand_in for run in self.runs)

    @property
    def colour(self) -> str:
        """Colour of the runs' method; grey if they are of several."""
        several = len({run.method for run in self.runs}) > 1
        return (GREY if several else self.runs[0].facts["style"])["colour"]


def rewards_caption(panel: Panel) -> str:
    """Say what a training curve shows."""
    text = runs_caption(panel)
    heldout = [run.heldout for run in panel.runs if run.heldout is not None]
    if heldout:
        episodes = " or ".join(map(str, sorted({each.episodes for each in heldout})))
        runs = "1 run" if len(heldout) == 1 else f"mean ± 1 sample standard deviation of {len(heldout)} runs"
        text += f" Held-out: the best policy on {episodes} fresh episodes{'' if panel.is_single else f' ({runs})'}."
    chosen = "Best so far: chosen by logged rewards." if any(run.fresh for run in panel.runs) else ""
    return " ".join(filter(None, (text, panel.note, chosen)))


def returns_caption(panel: Panel, counts: Sequence[int], width: int = 1) -> str:
    """Say what a distribution of returns shows.

    ``counts`` holds the number of returns of each iteration; ``width`` iterations share a box.
    """
    few, many = min(counts), max(counts)
    returns = str(many) if few == many else f"{few} to {many}"
    end = "; their mean is the reward" if panel.is_single else f", {len(panel.runs)} runs pooled"
    boxes = f" Each box is for {width} iterations." if width > 1 else ""
    text = f"The {returns} returns of the accepted candidate in each iteration{end}.{boxes}"
    return f"{text} {_unfinished(panel)}".rstrip()


def runs_caption(panel: Panel) -> str:
    """Say how many runs there are, of which model, protocol and prompts, and what the band is."""
    if panel.is_single:
        (run,) = panel.runs
        text = f"One run ({run.name}{'' if run.seed is None else f', seed {run.seed}'})."
    else:
        text = (
            f"Mean of {len(panel.runs)} runs{few_mark(len(panel.runs))}; band: ± 1 sample standard deviation over runs."
        )
    models = ", ".join(sorted({models_label(run.model, run.critic_model) for run in panel.runs}))
    protocols = ", ".join(sorted({run.protocol for run in panel.runs}))
    prompts = "".join(f", {each}" for each in sorted({run.prompts for run in panel.runs} - {""}))
    sentences = [text, f"Model {models}, protocol {protocols}{prompts}.", _unfinished(panel), _thin_line(panel)]
    few = [] if panel.is_single else few_note([len(panel.runs)])
    return " ".join(filter(None, [*sentences, *few]))


def _thin_line(panel: Panel) -> str:
    is_cut = not panel.is_single and any(not run.complete for run in panel.runs)
    return "Line and band end with the first run; a thin line is the mean of those that go on." if is_cut else ""


def _unfinished(panel: Panel) -> str:
    unfinished = [run for run in panel.runs if not run.complete]
    if not unfinished:
        return ""
    rows = ", ".join(f"{run.name} ({run.progress})" for run in unfinished)
    end = "" if panel.is_single else f"; {'it counts' if len(unfinished) == 1 else 'they count'} up to there"
    return f"Unfinished: {rows}{end}."
