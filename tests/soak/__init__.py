"""Attaching again and again to services under load, and killing leakscope meanwhile; ``make soak``."""
