"""Copy the configs that come with r2po, and a ``.env.example``, into a folder of the user."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from r2po.errors import InputError
from r2po.installation import shipped_configs, shipped_environment
from r2po.runlog.jsonl import write_atomically

EXAMPLE = "configs/cartpole/cartpole_reflective_prompted_policy_optimization.yaml"
"""The config of the commands that are told."""


@dataclass(frozen=True)
class Copied:
    """What came of the files.

    Attributes:
        written: How many were copied.
        equal: How many were there already, with the same content.
        kept: Those that were there with another content, and stay.
    """

    written: int
    equal: int
    kept: tuple[Path, ...]

    def told(self, folder: Path) -> str:
        """Return it in lines."""
        lines = [f"{folder}: {self.written} file{'' if self.written == 1 else 's'} copied"]
        if self.equal:
            lines[0] += f", {self.equal} there already"
        return "\n".join([*lines, *(f"kept as it is, since it differs from ours: {path}" for path in self.kept)])


def copy_shipped(folder: Path) -> Copied:
    """Copy the configs into ``configs/`` of a folder, and ``.env.example``. A file that is there stays as it is.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    written, equal, kept = 0, 0, []
    try:
        for source, target in _files(folder):
            content = source.read_bytes()
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, content, sync=False)
                written += 1
            elif target.is_file() and target.read_bytes() == content:
                equal += 1
            else:
                kept.append(target)
    except OSError as error:
        raise InputError(f"cannot copy into {folder}: {error.filename}: {error.strerror or error}") from None
    return Copied(written, equal, tuple(kept))


def next_steps(folder: Path) -> str:
    """Return the commands that come next, as lines to copy."""
    go = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    lines = [
        *go,
        "r2po list                       # environments, methods, models and configs",
        "# a run without a language model, and its summary:",
        f"r2po run --config {EXAMPLE} \\",
        "    --set llm_model_name=embedded/search logdir=logs/try num_iterations=20",
        "r2po eval --logdir logs/try",
        "# with a language model: write your key into .env, check the model, then run without --set",
        "cp .env.example .env",
        "r2po doctor --config " + EXAMPLE,
    ]
    return "next:\n" + "".join(f"  {line}\n" for line in lines)


def _files(folder: Path) -> Iterator[tuple[Path, Path]]:
    configs = shipped_configs()
    for source in sorted(configs.glob("*/*.yaml")):
        yield source, folder / "configs" / source.relative_to(configs)
    yield shipped_environment(), folder / ".env.example"
