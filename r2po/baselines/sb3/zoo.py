"""Hyperparameters of rl-baselines3-zoo, read from its YAML files; the package itself is not needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from r2po.baselines.sb3.config import AUTO
from r2po.errors import InputError

REPOSITORY = Path(__file__).parents[3]
CLONE = "rl-baselines3-zoo"
DEFAULT = "default"


@dataclass(frozen=True)
class Entry:
    """Hyperparameters as they stand in a file, and where they come from.

    Attributes:
        values: As the file has them, unparsed.
        source: What a run records: ``from``, and for the zoo the ``file``, its ``sha256`` and the ``entry`` in it.
    """

    values: Mapping[str, Any]
    source: Mapping[str, str]

    @property
    def label(self) -> str:
        """The source in a few words."""
        if "entry" not in self.source:
            return self.source["from"]
        return f"{self.source['from']}, {self.source['file']}, {self.source['entry']}"


SB3_DEFAULTS = Entry({}, {"from": "Stable-Baselines3's defaults"})


def find_zoo(setting: str | None) -> Path | None:
    """Return the folder with the zoo's hyperparameters; None if the setting is None.

    Args:
        setting: The config's ``zoo_hyperparams_dir``: a folder, or "auto" for an installed rl_zoo3, else a clone beside
            the repository.

    Raises:
        InputError: There is no such folder, or it holds no hyperparameters.
    """
    if setting is None:
        return None
    places = _usual_places() if setting == AUTO else [Path(setting), Path(setting) / "hyperparams"]
    for folder in places:
        if any(folder.glob("*.yml")):
            return folder
    if setting != AUTO:
        raise InputError(f"zoo_hyperparams_dir {setting!r} has no hyperparameters; expected ppo.yml and others there")
    raise InputError(
        f"no rl-baselines3-zoo found, neither installed nor in {REPOSITORY.parent / CLONE}: "
        "pip install --no-deps rl_zoo3, or --set zoo_hyperparams_dir=null for Stable-Baselines3's own hyperparameters"
    )


def zoo_entry(folder: Path | None, algorithm: str, gym_id: str) -> Entry:
    """Return the zoo's entry for exactly this environment, else the file's default, else none.

    Raises:
        InputError: The file is damaged.
    """
    path = None if folder is None else folder / f"{algorithm.lower()}.yml"
    if path is None or not path.is_file():
        return SB3_DEFAULTS
    data = path.read_bytes()
    try:
        entries = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    for name in (gym_id, DEFAULT):
        if not isinstance(entries, dict) or not isinstance(entries.get(name, {}), dict):
            raise InputError(f"{path}: expected a mapping of environments to hyperparameters")
        if name in entries:
            digest = hashlib.sha256(data).hexdigest()
            source = {"from": "rl-baselines3-zoo", "file": path.name, "entry": name, "sha256": digest}
            return Entry(entries[name], source)
    return SB3_DEFAULTS


def _usual_places() -> list[Path]:
    spec = find_spec("rl_zoo3")
    installed = [Path(spec.origin).parent / "hyperparams"] if spec is not None and spec.origin else []
    return [*installed, REPOSITORY.parent / CLONE / "hyperparams"]
