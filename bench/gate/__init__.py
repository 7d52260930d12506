"""The gate: does a change make the suite slower? Two sides in one job, in pairs of fresh processes that take turns."""
