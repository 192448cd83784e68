"""Training curves, what they say, and how they are drawn."""
