"""The user's own pipeline: `[[step]]` of `penstock.toml`, run in order, each step only where something has changed."""
