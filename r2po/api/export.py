"""``r2po.export``: the best policy of a run as a file."""

from __future__ import annotations

from pathlib import Path

from r2po.commands.export import export as write
from r2po.places import expanded


def export(run: str | Path, path: str | Path) -> Path:
    """Write the best policy so far of a run into a file, as ``r2po export`` does.

    ``policy.py`` is Python that needs NumPy only: a class ``Policy`` whose ``act(observation)`` returns the action, to
    the last bit as in the run, below a heading that says where it comes from. ``policy.json`` has the numbers alone.
    Policies that are code, which a model wrote, are only written as Python; read them before you run them.

    Args:
        run: Its directory, ``<logdir>/run_N``; the run may be unfinished.
        path: The file, which is replaced if it exists; folders are made as needed.

    Returns:
        The file.

    Raises:
        InputError: There is no such run, no policy in it, the name of the file does not fit, or it cannot be written.
    """
    file = Path(expanded(str(path), "the path", variables=False))
    write(run, file)
    return file
