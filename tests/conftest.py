"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure: tests of speed set their own limits.
settings.register_profile("r2po", deadline=None)
settings.load_profile("r2po")
