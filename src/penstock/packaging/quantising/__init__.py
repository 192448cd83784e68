"""A graph with smaller numbers: its weights in 16, 8 or 4 bits, and what that costs in quality."""
