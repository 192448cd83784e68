"""`penstock tokens`: what is shown, listed and noted of consumers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import PenstockError
from penstock.lifecycle.tokens import create_token, list_tokens, revoke_tokens, rotate_token
from penstock.project.project import Project
from penstock.serving.tokens import read_consumers


def test_consumers_come_and_go_on_record(projects: Any, tmp_path: Path) -> None:
    """The token is in what is shown and nowhere in the project; each change is in the audit trail."""
    project = Project.here(projects.copy("binary", "run", tmp_path))
    empty = list_tokens(project)
    assert (empty.to_json()["consumers"], "everybody" in empty.to_text()) == ([], True)
    shown = create_token(project, "crm", ["predict", "label"], expires="90d", rate="100/s")
    token = shown.to_json()["token"]
    assert token in shown.to_text()
    rotated = rotate_token(project, "crm", keep="1h").to_json()
    revoke_tokens(project, "crm")
    (consumer,) = list_tokens(project).to_json()["consumers"]
    assert (consumer["consumer"], consumer["scopes"], consumer["rate_per_s"]) == ("crm", ["predict", "label"], 100.0)
    assert [t["state"] for t in consumer["tokens"]] == ["revoked", "revoked"]
    assert consumer["tokens"][1]["id"] == rotated["id"]
    events = [event.what for event in project.ledger.audit.events() if "token" in event.what]
    assert events == ["create token", "rotate token", "revoke token"]
    project.ledger.audit.verify()
    for path in project.root.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_what_cannot_be_recorded_makes_no_token(projects: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would count, and nobody would have seen it; nor do earlier ones end."""
    root = projects.copy("binary", "run", tmp_path)
    create_token(Project.here(root), "crm", ["predict"])
    before = read_consumers(Project.here(root).serving_state)
    (tmp_path / "ledger.db").write_bytes(b"no database " * 1000)
    monkeypatch.setenv("PENSTOCK_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(PenstockError):
        create_token(Project.here(root), "shop", ["predict"])
    with pytest.raises(PenstockError):
        rotate_token(Project.here(root), "crm")
    assert read_consumers(Project.here(root).serving_state) == before


def test_the_verbs_print_what_they_did(penstock: Callable[..., Any], projects: Any, tmp_path: Path) -> None:
    """One JSON object each; a wrong name is told with the way out."""
    project = projects.copy("binary", "run", tmp_path)
    made = penstock(project, "tokens", "create", "crm", "--scope", "predict", "--rate", "5/s", "--priority", "low")
    assert made.body["token"].startswith("pst_")
    (consumer,) = penstock(project, "tokens", "list").body["consumers"]
    assert (consumer["rate_per_s"], consumer["priority"]) == (5.0, made.body["priority"]) == (5.0, "low")
    assert penstock(project, "tokens", "rotate", "crm", "--keep", "2h").body["token"] != made.body["token"]
    assert penstock(project, "tokens", "revoke", "crm").body["revoked"] is True
    refused = penstock(project, "tokens", "revoke", "shop")
    assert (refused.code, refused.body["error"]["code"]) == (2, "not-found")
