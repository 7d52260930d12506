"""Pure functions on arrays. No file, no record and no task is known here."""
