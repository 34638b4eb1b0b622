"""The page that ``make bench`` writes: leakscope and its peers on the same targets, in one run."""
