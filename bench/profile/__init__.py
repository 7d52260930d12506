"""The machine's limits: what it is, how fast it can be, how steady it is, and what would make figures here doubtful."""
