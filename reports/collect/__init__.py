"""Reads a run and says which of its records belong together."""
