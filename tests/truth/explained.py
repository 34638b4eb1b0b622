"""Families of references that are below 99 %, and why. The code that reads each says more.

Keyed by the holder's ``module.QualName``; empty means that every family is read to 99 %.
"""

EXPLAINED: dict[str, str] = {}
