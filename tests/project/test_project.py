"""The project folder: where it is found, where its stores are, what `new` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ProjectError, ServingError
from penstock.project.live import live_entry
from penstock.project.project import Project
from penstock.project.scaffold import FOLDERS, write_folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that has only a declaration."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/penstock.toml").write_text('[data]\nsource = "a.csv"\ntarget = "y"\n', encoding="utf-8")
    return tmp_path / "shop"


def test_a_project_is_found_from_a_folder_inside_it(folder: Path) -> None:
    """As git does."""
    inside = folder / "notebooks/deep"
    inside.mkdir(parents=True)
    assert Project.here(inside).root == folder


def test_outside_a_project_there_is_none(tmp_path: Path) -> None:
    """The message says how to make one."""
    with pytest.raises(ProjectError, match="penstock new"):
        Project.here(tmp_path)


def test_a_folder_without_a_declaration_is_no_project(tmp_path: Path) -> None:
    """Named directly, it is refused as well."""
    with pytest.raises(ProjectError, match=r"no penstock\.toml"):
        Project(tmp_path)


def test_the_name_is_the_folders_unless_it_is_declared(folder: Path) -> None:
    """It is the model's name in the registry."""
    assert Project(folder).name == "shop"
    with (folder / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write('[project]\nname = "churn"\n')
    assert Project(folder).name == "churn"


def test_the_stores_are_in_the_folder_unless_the_environment_names_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PENSTOCK_LEDGER and PENSTOCK_OBJECTS are a team's."""
    project = Project(folder)
    assert project.ledger.runs() == []
    project.objects.put(b"here")
    assert (folder / ".penstock/ledger.db").is_file()
    assert list((folder / ".penstock/objects").rglob("??/*"))
    monkeypatch.setenv("PENSTOCK_LEDGER", f"sqlite:///{tmp_path}/team/ledger.db")
    monkeypatch.setenv("PENSTOCK_OBJECTS", str(tmp_path / "team/objects"))
    team = Project(folder)
    assert team.ledger.runs() == []
    assert (tmp_path / "team/ledger.db").is_file()
    digest = team.objects.put(b"there")
    assert team.objects.has(digest)
    assert not project.objects.has(digest)


@pytest.mark.parametrize("ledger", ["sqlite:///team/ledger.db", "team/ledger.db"])
def test_relative_places_begin_at_the_projects_root(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: str
) -> None:
    """Whatever the working folder is."""
    monkeypatch.setenv("PENSTOCK_LEDGER", ledger)
    monkeypatch.setenv("PENSTOCK_OBJECTS", "team/objects")
    monkeypatch.chdir(tmp_path)
    project = Project(folder)
    assert project.ledger.runs() == []
    project.objects.put(b"there")
    assert (folder / "team/ledger.db").is_file()
    assert list((folder / "team/objects").rglob("??/*"))


def test_nothing_is_live_before_a_deploy(folder: Path) -> None:
    """The way out is `penstock deploy`."""
    with pytest.raises(ServingError, match="penstock deploy"):
        live_entry(Project(folder))


def test_new_folders_follow_the_usual_layout_and_keep_data_out_of_git(tmp_path: Path) -> None:
    """Cookiecutter Data Science; state and data are ignored."""
    write_folders(tmp_path)
    assert all((tmp_path / name / ".gitkeep").is_file() for name in FOLDERS)
    ignored = (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".penstock/", "data/raw/*"} <= set(ignored)


def test_a_gitignore_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """It is the user's."""
    (tmp_path / ".gitignore").write_text("mine\n", encoding="utf-8")
    write_folders(tmp_path)
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "mine\n"
