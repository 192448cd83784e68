"""What becomes of runs later: marked, thrown away, freed, carried to another machine."""
