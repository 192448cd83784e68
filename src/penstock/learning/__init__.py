"""Learners, the search for the best of them, and what turns its answer into a decision."""
