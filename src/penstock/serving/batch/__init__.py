"""The batch job: rows of files and tables in, answers out, streamed, and bit for bit what a server answers to the same rows."""
