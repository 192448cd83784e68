"""The place of artifacts that MLflow finds for ``penstock:`` URIs: files of a run, in the object store."""

from __future__ import annotations

import posixpath
import tempfile
from functools import cached_property
from pathlib import Path
from typing import final

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path

from penstock.errors import NotFound
from penstock.experiments.mlflow.files import add_files, remove_files, tree_of
from penstock.experiments.mlflow.place import files_place
from penstock.ledger.ledger import Ledger
from penstock.objects.tree import Tree, entries_of
from penstock.project.workspace import Workspace


@final
class PenstockArtifacts(ArtifactRepository):
    """Artifacts of one run or logged model, or of a folder in it. What `log_artifact` was given is stored when it returns."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._place = files_place(artifact_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        file = Path(local_file)
        add_files(self._ledger, self._place.run, {self._path(artifact_path, file.name): file})

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        files = {self._path(artifact_path, entry.path): Path(entry.file) for entry in entries_of(Path(local_dir))}
        if files:
            add_files(self._ledger, self._place.run, files)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """What lies in a folder; nothing for a file, as MLflow wants it."""
        folder = self._path(path)
        begins = f"{folder}/" if folder else ""
        own = f"{self._place.path}/" if self._place.path else ""
        found: dict[str, FileInfo] = {}
        for name, file in self._tree.files.items():
            if name.startswith(begins):
                inner, _, rest = name.removeprefix(begins).partition("/")
                shown = f"{begins}{inner}".removeprefix(own)
                found[shown] = FileInfo(shown, bool(rest), None if rest else file.size)
        return [found[name] for name in sorted(found)]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        remove_files(self._ledger, self._place.run, self._path(artifact_path))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        path = self._path(remote_file_path)
        try:
            with tempfile.TemporaryDirectory(dir=Path(local_path).parent) as folder:
                self._tree.extract(Path(folder), [path])
                Path(folder, path).replace(local_path)
        except NotFound as error:
            raise MlflowException(
                f"No such artifact: {remote_file_path!r}: {error.why}", RESOURCE_DOES_NOT_EXIST
            ) from error

    def _path(self, *parts: str | None) -> str:
        """A path within the files of the run."""
        verify_artifact_path(posixpath.join(*(part or "" for part in parts)) or None)
        path = posixpath.normpath(posixpath.join(self._place.path, *(part or "" for part in parts)))
        return "" if path == "." else path

    @cached_property
    def _ledger(self) -> Ledger:
        return Workspace(self._place.root).ledger

    @property
    def _tree(self) -> Tree:
        """The files as they are now; none where the run has kept none."""
        try:
            found = tree_of(self._ledger, self._place.run)
        except NotFound as error:
            raise MlflowException(f"Run '{self._place.run}' not found", RESOURCE_DOES_NOT_EXIST) from error
        return Tree(self._ledger.objects, "", "", [], {}) if found is None else found
