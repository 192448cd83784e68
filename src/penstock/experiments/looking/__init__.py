"""Runs for people: listed, shown, compared, watched."""
