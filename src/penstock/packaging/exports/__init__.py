"""A bundle in the form in which it is wanted elsewhere: one file per form, and what it brings with it."""
