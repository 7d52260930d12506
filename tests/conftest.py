"""Plugins of the tests."""

# Sessions of pytest inside a test.
pytest_plugins = ["pytester"]
