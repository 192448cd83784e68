"""What happened: runs and their lineage, trials, models, sealed envelopes, the audit trail. See `penstock.ledger.ledger`."""
