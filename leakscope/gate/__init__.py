"""Findings, a baseline and a policy -> a verdict; and the driving of a service through rounds of equal work."""
