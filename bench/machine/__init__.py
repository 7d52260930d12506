"""The machine that a run stands on: its description, sensors, limits and steadiness."""
