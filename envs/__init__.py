"""The project's own environments, as people look for them; the code is in ``r2po/envs/``, which registers them."""

from __future__ import annotations

from r2po.envs import ENVIRONMENTS, register_environments

__all__ = ["ENVIRONMENTS", "register_environments"]
