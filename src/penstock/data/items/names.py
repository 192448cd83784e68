"""What the name of a file says of it. (Loads no arrays: every add asks.)"""

from __future__ import annotations

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".tsv.gz", ".jsonl.gz")


def is_table(name: str) -> bool:
    """Whether a file is compared, and looked into, as a table.

    >>> is_table("Visits.CSV.gz"), is_table("notes.txt")
    (True, False)
    """
    return name.lower().endswith(ENDINGS)
