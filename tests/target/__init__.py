"""Tests of ``leakscope.target``, on real processes."""
