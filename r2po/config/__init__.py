"""Configs: their keys, how a file is read and resolved, and how the published code's files are translated."""

from __future__ import annotations

from r2po.config.config import (
    CRITIC_KEYS,
    MODEL_KEYS,
    PUBLISHED_KEYS,
    SAMPLING_KEYS,
    Config,
    CriticSettings,
    differences,
)
from r2po.config.load import (
    check_keys,
    config_folder,
    first_problem,
    load_config,
    parse_override,
    read_yaml,
    resolve,
)

__all__ = [
    "CRITIC_KEYS",
    "MODEL_KEYS",
    "PUBLISHED_KEYS",
    "SAMPLING_KEYS",
    "Config",
    "CriticSettings",
    "check_keys",
    "config_folder",
    "differences",
    "first_problem",
    "load_config",
    "parse_override",
    "read_yaml",
    "resolve",
]
