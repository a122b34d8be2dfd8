"""Write the best policy of a run into a file of its own."""

from __future__ import annotations

from pathlib import Path

from r2po.errors import InputError
from r2po.experiment.as_python import as_python
from r2po.experiment.best import as_file
from r2po.experiment.loading import Best, load_best
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory, open_run
from r2po.runlog.jsonl import write_atomically


def export(run: str | Path, output: Path) -> str:
    """Write the best policy so far of a run directory into a file and return one line on it.

    Code becomes a Python file with a heading. Numbers become Python that needs NumPy only, or JSON, by the end of the
    file's name. No code is run.

    Raises:
        InputError: There is no such run, no policy in it, the name of the file does not fit, or it cannot be written.
    """
    directory = open_run(run)
    best = load_best(directory, "to export")
    try:
        content = _content(directory, best, output)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, content)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    finally:
        best.setting.close()
    return (
        f"best policy of {directory.path} (iteration {best.iteration}, mean return {number(best.facts['reward'])}) "
        f"written to {output}"
    )


def _content(directory: RunDirectory, best: Best, output: Path) -> bytes:
    is_numbers = "params" in best.facts["solution"]
    expected = (".py",) if best.setting.policy.walled else (".py", ".json") if is_numbers else ()
    if expected and output.suffix not in expected:
        raise InputError(f"cannot write {str(output)!r}: expected a file name that ends in {' or '.join(expected)}")
    if is_numbers and output.suffix == ".py":
        return as_python(directory, best.setting, best.facts)
    return as_file(directory, best.setting, best.facts)
