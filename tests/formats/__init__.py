"""Files: what was saved comes back, what was damaged is refused."""
