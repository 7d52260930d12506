"""Plugins of the tests."""

import os

# Before NumPy is imported: its threads would wait for each other, since two workers have two cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# Sessions of pytest inside a test.
pytest_plugins = ["pytester"]

# They are no part of how these tests are shared out: pytest-benchmark would keep silent in them.
os.environ.pop("PYTEST_XDIST_WORKER", None)
