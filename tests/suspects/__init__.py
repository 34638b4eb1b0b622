"""Suspects judged on small services: sound ones must raise none, leaking ones must name class and holder."""
