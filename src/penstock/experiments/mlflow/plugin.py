"""What MLflow's entry points name. Loaded with every `import mlflow`, so it loads nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.experiments.mlflow.artifacts import PenstockArtifacts
    from penstock.experiments.mlflow.store import PenstockStore


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> PenstockStore:
    """The tracking store of a ``penstock:`` URI."""
    from penstock.experiments.mlflow.store import PenstockStore

    return PenstockStore(store_uri, artifact_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> PenstockArtifacts:
    """The place of artifacts of a ``penstock:`` URI."""
    from penstock.experiments.mlflow.artifacts import PenstockArtifacts

    return PenstockArtifacts(artifact_uri, tracking_uri, registry_uri)
