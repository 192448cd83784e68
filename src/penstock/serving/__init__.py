"""A server of bundles: HTTP app, slots, journal, labels, batch job. Knows neither the ledger nor a training library."""
