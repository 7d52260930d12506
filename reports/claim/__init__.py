"""The claim: less training, a smaller network; each arm against the other, and what the difference is due to."""
