"""Settings of the property tests."""

from hypothesis import settings

# No deadline: a machine busy with benchmarks is slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
