"""Fuzzing: inputs that are damaged, torn or made to harm; ``python -m tests.fuzz`` or ``make fuzz``."""
