"""The tables of `penstock.toml`, a file for each thing they speak of: keys with their defaults, and what is out of bounds."""
