"""How it is run: presets, cases, engines, measurement, records."""
