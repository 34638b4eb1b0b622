"""Runs inside the user's own service. Every module here imports the standard library and nothing else."""
