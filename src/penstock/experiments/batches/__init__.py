"""Many runs of one script: what to try next, when to stop, and the queue."""
