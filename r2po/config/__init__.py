"""Configs: their keys, how a file is read and resolved, and how the published code's files are translated."""

from __future__ import annotations

from r2po.config.config import Config, CriticSettings, changes, differences
from r2po.config.load import load_config, resolve

__all__ = ["Config", "CriticSettings", "changes", "differences", "load_config", "resolve"]
