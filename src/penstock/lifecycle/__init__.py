"""Wires the stages: `pipeline` is one page that reads like the design."""
