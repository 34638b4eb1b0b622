"""Bytes of a live process: found, stopped, copied, let go."""
