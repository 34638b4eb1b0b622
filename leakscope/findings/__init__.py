"""Results as frozen plain data, usable after the heap is gone."""
