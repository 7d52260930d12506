"""A run: the session, its worker processes, and the folder that it writes."""
