"""Write the best policy of a run into a file of its own."""

from __future__ import annotations

from pathlib import Path

from r2po.errors import InputError
from r2po.experiment.best import as_file
from r2po.experiment.loading import load_best
from r2po.prompts.numbers import number
from r2po.runlog import open_run
from r2po.runlog.jsonl import write_atomically


def export(run: str | Path, output: Path) -> str:
    """Write the best policy so far of a run directory into a file and return one line on it.

    Numbers become JSON, code a Python file with a heading. No code is run.

    Raises:
        InputError: There is no such run, no policy in it, the name of the file does not fit, or it cannot be written.
    """
    directory = open_run(run)
    best = load_best(directory, "to export")
    expected = ".py" if best.setting.policy.walled else ".json" if "params" in best.facts["solution"] else ""
    try:
        if expected and output.suffix != expected:
            raise InputError(f"--output {str(output)!r}: expected a file name that ends in {expected}")
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, as_file(directory, best.setting, best.facts))
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    finally:
        best.setting.close()
    return (
        f"best policy of {directory.path} (iteration {best.iteration}, mean return {number(best.facts['reward'])}) "
        f"written to {output}"
    )
