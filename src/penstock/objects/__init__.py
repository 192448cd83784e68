"""Bytes by digest, and the files they come from: see `penstock.objects.store`."""
