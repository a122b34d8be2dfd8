"""What answers in a model's place when a run is only tried: to see its prompts, or to foresee what it takes."""

from __future__ import annotations

import numpy as np

from r2po.experiment.setting import Setting
from r2po.llm.providers import embedded_code
from r2po.llm.providers.embedded import NAME, EmbeddedSearch
from r2po.llm.providers.embedded_code import EmbeddedCode
from r2po.llm.types import Provider, Reply, Request


def stand_in(setting: Setting) -> tuple[str, Provider]:
    """Return what answers in the model's place, with its name."""
    if setting.policy.walled:
        return embedded_code.NAME, EmbeddedCode(errs=False)
    if setting.brief.wording.own is not None:
        return "a random policy", _Drawn(setting)
    return NAME, EmbeddedSearch()


class _Drawn(Provider):
    """Answers with random policies, whatever the prompt says: the stand-in understands no words but ours."""

    is_stand_in = True

    def __init__(self, setting: Setting) -> None:
        self._policy, self._random = setting.policy, np.random.default_rng(setting.seed)

    def complete(self, _request: Request) -> Reply:
        return Reply(self._policy.write(self._policy.clip(self._policy.sample(self._random))))
