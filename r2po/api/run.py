"""``r2po.run``: one experiment from a program or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from r2po.api.result import Result
from r2po.api.settings import settled
from r2po.api.watching import Watching
from r2po.config import Config
from r2po.config.environ import read_environ
from r2po.errors import InputError, RunStopped
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.screen import Lines
from r2po.llm.budget import CapReached


def run(
    config: Config | Mapping[str, Any] | str | Path,
    *,
    resume: int | Literal["latest"] | None = None,
    quiet: bool = True,
    observer: Observer | None = None,
    accept_changed_prompts: bool = False,
    **overrides: Any,
) -> Result:
    """Run one experiment to its end and return its result.

    It is the run that ``r2po run`` makes: the same directory, ``<logdir>/run_N``, and with the same seed the same
    bytes. It prints nothing unless asked, and never ends the process. Several may run in one process, one after the
    other or in threads: each has its own run directory, and they share nothing.

        result = r2po.run("my.yaml", seed=7, llm_model_name="embedded/search")
        action = result.policy(observation)

    Args:
        config: The path of a config file; or its keys and values, with paths relative to the working directory; or what
            ``r2po.config.load_config`` returned.
        resume: Number of the run to continue, or "latest" for the latest unfinished one; None starts a new run. A run
            that is complete is not run again: its result is returned.
        quiet: Whether to print nothing; else a line is printed for each event.
        observer: Told of every event, in the thread that called.
        accept_changed_prompts: Whether to continue a run whose prompts are made from other texts by now.
        overrides: Values of config keys, as ``--set`` takes them. Entries of sections are given as
            ``**{"prices.input": 3}``.

    Returns:
        What came of it.

    Raises:
        InputError: Something that was given cannot be used; no run directory is left behind.
        RunStopped: The run stopped, and can be continued: the model failed, or a cap was reached. The text says how.
        KeyboardInterrupt: Ctrl-C, or a notebook's stop button, ended it; it can be continued, and the text says how.
    """
    _check_resume(resume)
    watching = Watching(*([] if quiet else [Lines()]), *([] if observer is None else [observer]))
    resolved = settled(config, overrides, watching.note)
    try:
        launch(
            resolved,
            resume,
            read_environ(watching.note),
            watching,
            accept_changed_prompts=accept_changed_prompts,
        )
    except CapReached as stop:
        key, _, value = stop.setting.partition("=")
        again = _how_to_continue(watching, f", {key}={'None' if value == 'null' else value}")
        raise RunStopped(f"{stop}; {stop.remedy}{again}") from None
    except RunStopped as stop:
        raise RunStopped(f"{stop}{_how_to_continue(watching)}") from None
    except KeyboardInterrupt as stop:
        stop.args = (f"stopped{_how_to_continue(watching) or ' before the run began'}",)
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise InputError(f"{where}{error.strerror or error}") from error
    assert watching.directory is not None
    return Result.of(watching.directory, resolved, watching.notes)


def _check_resume(resume: object) -> None:
    is_number = isinstance(resume, int) and not isinstance(resume, bool) and resume > 0
    if not is_number and resume not in (None, "latest"):
        raise InputError(f'resume is {resume!r}; expected the number of a run, "latest", or None for a new run')


def _how_to_continue(watching: Watching, change: str = "") -> str:
    """Say which call continues the run; nothing if there is none yet."""
    if watching.directory is None:
        return ""
    return f"; to continue: r2po.run(...{change}, resume={watching.directory.number}), with the same config"
