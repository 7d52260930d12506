"""One figure a file; each has `draw(...) -> Drawing | None`, None where there is nothing to show."""
