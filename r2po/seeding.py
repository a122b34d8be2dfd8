"""Everything random comes from the run's seed, by name."""

from __future__ import annotations

import hashlib


def derive_seed(run_seed: int, *names: str | int) -> int:
    """Return the seed for one named use of randomness, e.g. ``derive_seed(7, "warmup", 3, "rollout", 0)``.

    The seed depends on nothing but the arguments: not on what was drawn before, on the platform or on the process.

    Returns:
        An integer in [0, 2**63), fit for ``gymnasium.Env.reset`` and ``numpy.random.default_rng``.
    """
    text = "/".join(["r2po", str(run_seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
