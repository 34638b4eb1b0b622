"""Runs inside the user's own process.

``expectations`` is for services and imports the standard library alone. The rest is for tests and for looking at
oneself: ``heap`` reads the own heap, ``leaks`` and the pytest plug-in say what a block or a test leaves behind.
"""
