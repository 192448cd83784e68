"""What a file must be before any row of it is taken in: inferred once from training rows, then kept by a person.

`contract.toml` says it, column by column. A file is read in one stream, in bounded memory, and held against it. What broke is
told with counts; values are shown of rows that are neither sealed nor will be.
"""
