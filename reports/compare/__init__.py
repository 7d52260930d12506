"""Runs side by side: of several machines, versions or engines, or the configurations of one run."""
