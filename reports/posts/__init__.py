"""The page of the posts' experiments, from their results alone; imports no framework."""
