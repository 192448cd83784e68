"""A run done again from its record alone, and how near it came."""
