"""Any script as a run: flags, capture, batches, compare."""
