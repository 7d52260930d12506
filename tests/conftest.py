"""Plugins of the tests."""

import os

# Sessions of pytest inside a test.
pytest_plugins = ["pytester"]

# They are no part of how these tests are shared out: pytest-benchmark would keep silent in them.
os.environ.pop("PYTEST_XDIST_WORKER", None)
