"""What a run is made of, and what is recorded of that: target, source, environment, files, console, secrets."""
