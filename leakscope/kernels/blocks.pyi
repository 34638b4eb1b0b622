"""No names for Python callers."""
