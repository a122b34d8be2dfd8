"""How long and how much a policy may take."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1 << 20
SOURCE_BYTES = 32_000
"""Longest source. Longer ones can crash Python's parser."""
TEXT_BYTES = 4_000
"""Longest text of a failure."""
SUMMARY_CHARACTERS = 2_000
"""Longest summary of an episode; what is beyond is cut off."""


@dataclass(frozen=True)
class Limits:
    """Limits of one evaluation, whose episodes advance together.

    Attributes:
        start_s: Seconds by the clock until the worker is ready. No policy runs yet: a slow disk is nobody's fault.
        load_s: Seconds by the clock to compile the source and to make the policy of every episode.
        step_s: Seconds by the clock for one step of all episodes: one call of ``act`` in each.
        cpu_s: Seconds of CPU for the whole evaluation, beside the start.
        wall_s: Seconds by the clock for the whole evaluation, the environments' own time included.
        memory_mb: Megabytes of address space of the worker, Python and NumPy included.
    """

    start_s: float = 60.0
    load_s: float = 10.0
    step_s: float = 10.0
    cpu_s: int = 60
    wall_s: float = 600.0
    memory_mb: int = 1024
