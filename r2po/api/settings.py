"""The config of a run as a program gives it: the path of a file, a mapping, or a ``Config``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from r2po.config import Config, resolve
from r2po.config.load import config_of, read_yaml
from r2po.errors import InputError

SOURCE = "config"
"""What messages call a config that is no file."""


def settled(
    config: Config | Mapping[str, Any] | str | Path, overrides: Mapping[str, Any], note: Callable[[str], None]
) -> Config:
    """Return the resolved config.

    Args:
        config: A file, its keys and values, or what ``load_config`` returned.
        overrides: Values of keys, as ``--set`` takes them; ``prices.input`` is an entry of a section.
        note: Called with a line for each key that means nothing here.

    Raises:
        InputError: It is none of these, or cannot be used; one line names the key.
    """
    changes = [(key, plain(value)) for key, value in overrides.items()]
    if isinstance(config, str | Path):
        path = Path(config)
        return config_of(read_yaml(path), str(path), changes, folder=path.parent, note=note)
    if isinstance(config, Config):
        return config_of(_essential(config), SOURCE, changes, note=note)
    if isinstance(config, Mapping):
        return config_of({key: plain(value) for key, value in config.items()}, SOURCE, changes, note=note)
    raise InputError(f"config is a {type(config).__name__}; expected a path, a mapping of keys to values, or a Config")


def _essential(config: Config) -> dict[str, Any]:
    """Return the keys of a config without those that would be filled in again with the same value.

    What follows from the task and the method then follows the overrides too: with another method, the number of
    iterations is that method's.
    """
    values = config.model_dump(exclude_unset=True)
    wanted = resolve(values, SOURCE).model_dump()
    for key in list(values):
        fewer = {name: value for name, value in values.items() if name != key}
        with suppress(InputError):  # one that must be there
            if resolve(fewer, SOURCE).model_dump() == wanted:
                values = fewer
    return values


def plain(value: object) -> Any:
    """Return a value as YAML would give it: lists for tuples and arrays, numbers for NumPy's, texts for paths."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
