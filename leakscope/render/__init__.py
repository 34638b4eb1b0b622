"""Findings -> text and JSON. Sees findings only; the only formatter of sizes and ages."""
