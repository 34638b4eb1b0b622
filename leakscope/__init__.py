"""leakscope: which sessions are still alive, how old are they, and who holds them?"""

__version__ = "0.1.0"
