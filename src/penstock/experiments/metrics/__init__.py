"""The numbers that a run logs: from printed lines, event files and `penstock.log`, as series."""
