"""The rewards of the tasks as Python: one file for each, beside the cards.

A card names its file under ``reward_source``. The text of the function ``reward`` alone is what prompts may show, so it
needs nothing from the rest of its file; it may use ``math`` and ``np``. ``r2po check-task`` runs this text against the
environment, and so do the tests.

    def reward(obs, action, next_obs, terminated[, hidden]) -> float

``obs`` and ``next_obs`` are what a policy sees before and after the step, ``action`` is what the environment
received, and ``terminated`` tells whether the step ended the episode for good. Where a reward depends on more, the
card names ``hidden`` fields, and the file has a function ``hidden(env)`` that reads them from the simulator: a
dictionary of numbers by name. ``reward`` gets each as it was before and after the step: ``hidden["x_before"]``,
``hidden["x_after"]``.
"""
