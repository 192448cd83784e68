"""One learner, one file."""
