"""Labels: outcomes and corrections that come back, and the rows that they make."""
