"""The four services by themselves: each mechanism does what it says, each leak leaks and nothing else does."""
