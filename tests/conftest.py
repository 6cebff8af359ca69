"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure of the code: no time limit for one example.
settings.register_profile("house", deadline=None, max_examples=200)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.load_profile("house")
