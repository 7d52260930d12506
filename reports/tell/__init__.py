"""Sentences: what a run says, from what was computed of it."""
