"""leakscope's tests; ``tests/target`` and ``tests/truth`` run against live interpreters."""
