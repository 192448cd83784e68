"""MLflow's clients, writing to the ledger: ``mlflow.set_tracking_uri("penstock:///folder")``; import from and export to its databases.

MLflow finds `store.PenstockStore` and `artifacts.PenstockArtifacts` by entry points, through `plugin`. Nothing else imports them: whoever does not
use MLflow never loads it. An MLflow run is a run of the ledger under its own id; what MLflow calls an experiment is a row of
`Ledger.experiments`, and the run names it in a tag; a logged model is a run too, a child of the one that made it.
"""
