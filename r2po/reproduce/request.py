"""What one command asks for: a part, who answers, how many runs, and where everything goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from r2po.analysis.logs.built_in import method_facts
from r2po.analysis.logs.names import parse_environment
from r2po.analysis.output.files import folder_name
from r2po.config.load import read_yaml
from r2po.errors import InputError
from r2po.installation import shipped_configs
from r2po.reproduce.part import Experiment, Part, Place
from r2po.reproduce.settings import SUITE
from r2po.runlog import list_runs
from r2po.runlog.smoke import FILE, smoke_note, write_smoke
from r2po.sweep.variants import expand

STAND_IN = "embedded/search"
"""Answers in smoke runs if no model is named."""
SMOKE_SETTINGS = (
    "num_iterations=3",
    "num_evaluation_episodes=4",
    "heldout_episodes=4",
    "reevaluation_episodes=4",
)
SMOKE_SUITE = ("budget_mode=steps", "budget_target=300", "eval_episodes=1", "heldout_episodes=2")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        part: The part of the paper.
        experiments: Those of its experiments that are wanted.
        place: Where everything goes.
        model: The model that answers; None for that of the configs.
        settings: ``key=value`` for all runs, beside those of smoke.
    """

    part: Part
    experiments: Sequence[Experiment]
    place: Place
    model: str | None
    settings: Sequence[str]

    @property
    def name(self) -> str:
        """Name of the sweep, the same for the same part and environments."""
        return "_".join([self.part.paper, self.part.name, *self.place.environments])

    @property
    def runs(self) -> list[Experiment]:
        """The experiments that a sweep makes."""
        return [each for each in self.experiments if each.method != SUITE]

    @property
    def suites(self) -> list[Experiment]:
        """Those of Stable-Baselines3."""
        return [each for each in self.experiments if each.method == SUITE]

    @property
    def could_have_suites(self) -> bool:
        """Whether the part has some of Stable-Baselines3, wanted or not."""
        return any(each.method == SUITE for each in self.part.experiments())

    @property
    def overrides(self) -> list[str]:
        """``key=value`` for all runs of the sweep."""
        named = [f"llm_model_name={self.model}"] if self.model is not None else []
        given = {_key(text) for text in self.settings}
        smoke = SMOKE_SETTINGS if self.place.smoke else ()
        return [*named, *(text for text in smoke if _key(text) not in given), *self.settings]

    def check_marks(self) -> None:
        """Refuse smoke runs beside whole ones, and whole ones beside smoke: one mark is for all runs of a directory.

        Raises:
            InputError: A log directory holds runs of the other kind, or is marked for them.
        """
        for name in logdirs(self.experiments):
            folder = self.place.logs / name
            remedy = "give another folder with --output or --logs"
            if self.place.smoke and not smoke_note(folder) and _has_runs(folder):
                raise InputError(f"--smoke: {folder} holds runs that are not smoke, and would mark them so; {remedy}")
            if not self.place.smoke and smoke_note(folder):
                raise InputError(f"{folder} is for smoke runs ({FILE} in it), and these are none; {remedy}")

    def mark_smoke(self) -> None:
        """Write into each log directory that its runs are smoke, if they are, before there are any.

        Raises:
            InputError: One holds runs that are not smoke.
        """
        self.check_marks()
        if self.place.smoke:
            for name in logdirs(self.experiments):
                write_smoke(self.place.logs / name)


def request_of(
    part: Part,
    *,
    runs: int,
    model: str | None = None,
    settings: Sequence[str] = (),
    only: Sequence[str] = (),
    smoke: bool = False,
    suites: bool = True,
    output: str | None = None,
    logs: str | None = None,
) -> Request:
    """Return what is asked for.

    Args:
        part: The part of the paper.
        runs: Runs of each experiment.
        model: The model that answers; in smoke runs the stand-in if it is None, else that of the configs.
        settings: ``key=value`` for all runs of the sweep.
        only: The environments, by key or label; all of the part if empty.
        smoke: Whether budgets are tiny.
        suites: Whether Stable-Baselines3 is wanted.
        output: Folder of everything; one that is named after paper and model if it is None.
        logs: Folder of the logs; ``logs`` in that folder if it is None.

    Raises:
        InputError: Something does not fit together.
    """
    everything = part.experiments()
    environments = list(dict.fromkeys(parse_environment(name) for name in only))
    for name in environments:
        if all(each.environment != name for each in everything):
            known = ", ".join(dict.fromkeys(each.environment for each in everything))
            raise InputError(
                f"--only {name}: not in the table {part.name} of {part.paper}, whose environments are {known}"
            )
    wanted = [each for each in everything if not environments or each.environment in environments]
    wanted = [each for each in wanted if suites or each.method != SUITE]
    _check_settings(settings)
    asking = any(method_facts(each.method)["roles"] for each in wanted)
    if model is not None and not asking:
        raise InputError(f"--model: the table {part.name} of {part.paper} asks no model")
    model = STAND_IN if smoke and model is None and asking else model
    folder = Path(output) if output else Path("reproduced") / _folder(part, model, smoke=smoke)
    own = folder / "_".join([part.name, *environments])  # what is made of a part of the table leaves the whole one
    place = Place(Path(logs) if logs else folder / "logs", own, runs, smoke, tuple(environments))
    return Request(part, tuple(wanted), place, model, tuple(settings))


def _folder(part: Part, model: str | None, *, smoke: bool) -> str:
    """Return the name of the folder: runs of another model, or of smoke, are other experiments."""
    asked = "" if model is None or (smoke and model == STAND_IN) else folder_name(model)
    return "_".join(filter(None, [part.paper, "smoke" if smoke else "", asked]))


def _check_settings(settings: Sequence[str]) -> None:
    for text in settings:
        if _key(text) == "logdir":
            raise InputError("--set logdir: a reproduction puts its logs into one folder (--logs)")
        if _key(text) == "llm_model_name":
            raise InputError("--set llm_model_name: give the model with --model")
    if len(expand(settings)) > 1:
        raise InputError("--set gives several values, and a reproduction has one experiment for each cell; give one")


def _has_runs(folder: Path) -> bool:
    """Whether a log directory, or that of an algorithm in it, has runs."""
    below = [each for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []
    return any(map(list_runs, [folder, *below]))


def _key(text: str) -> str:
    return text.partition("=")[0].strip()


def logdirs(experiments: Sequence[Experiment]) -> dict[str, str]:
    """Return the config of each experiment by the name of its log directory."""
    return {
        PurePath(str(read_yaml(shipped_configs() / each.config)["logdir"])).name: each.config for each in experiments
    }
