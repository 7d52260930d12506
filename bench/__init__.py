"""How it is run: presets, cases, engines, measurement, records."""

import os

# Before NumPy is imported, here and in every process that comes from here. Where cores are busy its threads wait for
# each other: to plan a run then took half a minute instead of half a second. Frameworks have threads of their own.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
