"""A project: a folder with `penstock.toml`; its state is in `.penstock/`."""
