"""Artifacts of MLflow's runs: files of the run, in the object store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.experiments.mlflow.files import MOST_PACKS, add_files, tree_of


def test_files_are_logged_listed_and_come_back(mlflow: Any, client: Any, ledger: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "b.bin").write_bytes(os.urandom(600_000))
    (folder / "deep" / "c é.txt").write_text("c")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")
    with mlflow.start_run() as run:
        mlflow.log_artifact(folder / "run.sh")
        mlflow.log_artifact(folder / "run.sh", "bin")
        mlflow.log_artifacts(folder, "all")
        mlflow.log_dict({"a": 1}, "conf/x.json")
        run_id = run.info.run_id
        assert [(f.path, f.is_dir) for f in client.list_artifacts(run_id)] == [
            ("all", True), ("bin", True), ("conf", True), ("run.sh", False),
        ]  # fmt: skip
    assert [f.path for f in client.list_artifacts(run_id, "all/deep")] == ["all/deep/c é.txt", "all/deep/er"]
    assert client.list_artifacts(run_id, "all/deep/er")[0].file_size == 600_000
    assert client.list_artifacts(run_id, "run.sh") == []
    assert client.list_artifacts(run_id, "nothing") == []
    back = Path(client.download_artifacts(run_id, "all"))
    assert (back / "deep" / "er" / "b.bin").read_bytes() == (folder / "deep" / "er" / "b.bin").read_bytes()
    assert not (back / "link").exists()
    assert Path(client.download_artifacts(run_id, "bin/run.sh")).stat().st_mode & 0o111
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/conf/x.json") == {"a": 1}
    tree = tree_of(ledger, run_id)
    assert tree is not None
    assert len(tree.files) == 6


def test_penstock_lists_and_prints_them(mlflow: Any, penstock: Any, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "notes/a.txt")
    listed = penstock(tmp_path, "ls", run.info.run_id)
    assert listed.code == 0, listed
    assert "notes/a.txt" in listed.out


def test_a_file_of_the_same_path_is_replaced(mlflow: Any, ledger: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("one", "a.txt")
        mlflow.log_text("other", "b.txt")
        mlflow.log_text("two", "a.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "two"
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/b.txt") == "other"


def test_artifacts_are_deleted(mlflow: Any, client: Any) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with mlflow.start_run() as run:
        for path in ("a/1.txt", "a/2.txt", "ab.txt", "b.txt"):
            mlflow.log_text(path, path)
    place = get_artifact_repository(run.info.artifact_uri)
    place.delete_artifacts("a")
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["ab.txt", "b.txt"]
    place.delete_artifacts()
    assert client.list_artifacts(run.info.run_id) == []


def test_a_missing_artifact_is_said(mlflow: Any, client: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("a", "notes.txt")
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"path 'note.txt'"):
        client.download_artifacts(run.info.run_id, "note.txt")
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"nearest of 1 is 'notes.txt'"):
        mlflow.artifacts.download_artifacts(artifact_uri=f"{run.info.artifact_uri}/note.txt")


@pytest.mark.parametrize("path", ["../a", "/etc", "a/../../b"])
def test_paths_do_not_leave_the_run(mlflow: Any, path: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with mlflow.start_run(), pytest.raises(mlflow.exceptions.MlflowException):
        mlflow.log_artifact(tmp_path / "x.txt", path)


def test_many_single_files_do_not_leave_as_many_objects(ledger: Any, tmp_path: Path) -> None:
    """Each file alone makes a pack; a tree that has too many is packed again."""
    run_id = ledger.begin("train.py")
    for i in range(MOST_PACKS + 5):
        (tmp_path / "f").write_text(str(i))
        add_files(ledger, run_id, {f"{i:03}.txt": tmp_path / "f"})
    tree = tree_of(ledger, run_id)
    assert tree is not None
    assert len(tree.files) == MOST_PACKS + 5
    assert len(tree.packs) < 10
    assert tree.read("007.txt") == b"7"
    ledger.end(run_id)


def test_a_table_and_a_figure_as_scripts_log_them(mlflow: Any) -> None:
    import numpy as np

    with mlflow.start_run() as run:
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "t.json")
        mlflow.log_table({"a": [3], "b": ["z"]}, "t.json")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "i.png")
    assert list(mlflow.load_table("t.json", run_ids=[run.info.run_id])["a"]) == [1, 2, 3]
