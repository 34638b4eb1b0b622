"""Analyses of heaps built with ``tests.heaps``."""
