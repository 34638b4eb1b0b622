"""What the reader says of a heap, held against what the process itself says from inside."""
