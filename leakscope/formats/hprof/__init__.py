"""Heap dumps of the JVM (HPROF 1.0.1 and 1.0.2), as HotSpot and its descendants write them.

``load.py`` is the door; ``records.py`` the tables of the file, ``classes.py`` what instances look like,
``collections.py`` which classes hold others for somebody, ``sizes.py`` how large objects are, ``roots.py`` why they
live, ``texts.py`` and ``values.py`` what they are worth.
"""
