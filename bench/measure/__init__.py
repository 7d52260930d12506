"""Runs one case: batching, training, timing, memory."""
