"""A llama.cpp server on this machine: which model file it serves, its process, its start and its end."""

from __future__ import annotations

from r2po.serving.server import Served, ServerSettings, serve
from r2po.serving.weights import SMOLLM2, ModelFile, find_model

__all__ = ["SMOLLM2", "ModelFile", "Served", "ServerSettings", "find_model", "serve"]
