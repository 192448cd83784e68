"""Deploying opens one envelope, judges, and switches; rolling back switches back."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import BundleError
from penstock.serving.acknowledgements import AcknowledgementFile
from penstock.serving.slots import read_slots

Cli = Callable[..., Any]
IMPOSSIBLE = '\n[[gates]]\nmetric = "roc_auc"\nat_least = 0.9999\n'


def another_version(penstock: Cli, set_line: Cli, project: Path, threshold: float = 0.55) -> int:
    """Registers a further version without a search: the same model with another decision rule."""
    set_line(project, "serving", f"abstain_below = {threshold}")
    version: int = penstock(project, "run").body["model"]["version"]
    return version


def add_gate(project: Path, text: str = IMPOSSIBLE) -> None:
    """Append a gate to the declaration."""
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write(text)


def live(project: Path) -> dict[str, Any]:
    """What slots.json says."""
    state = json.loads((project / ".penstock/serving/slots.json").read_text(encoding="utf-8"))
    assert isinstance(state, dict)
    return state


def test_a_deploy_opens_one_envelope_and_goes_live(penstock: Cli, project_at: Cli) -> None:
    """The test figure comes with its interval; the champion is this version; the trail says both."""
    project = project_at("run")
    done = penstock(project, "deploy")
    assert done.code == 0
    body = done.body
    assert body["deployed"] is True
    assert body["slot"] == "blue"
    assert body["envelope"]["left"] == 1
    assert body["test"]["roc_auc"]["low"] < body["test"]["roc_auc"]["value"] < body["test"]["roc_auc"]["high"]
    assert live(project)["live"] == "blue"
    assert penstock(project, "models").body["versions"][0]["aliases"] == ["champion"]
    what = [event["what"] for event in penstock(project, "doctor", "--trail").body["events"]]
    assert what.count("open envelope") == 1
    assert what[-1] == "deploy"


def test_the_live_version_is_not_deployed_again(penstock: Cli, project_at: Cli) -> None:
    """It would open another envelope and learn nothing."""
    project = project_at("live")
    done = penstock(project, "deploy", "--version", "1")
    assert done.code == 2
    assert done.error["code"] == "project"
    assert "live already" in done.error["what"]


def test_envelopes_run_out_and_spent_ones_are_accepted_with_a_reason(
    penstock: Cli, project_at: Cli, set_line: Cli
) -> None:
    """Refused without a reason; with one, it warns, says so in the result, and opens nothing."""
    project = project_at("run")
    for threshold in (0.55, 0.56):
        another_version(penstock, set_line, project, threshold)
    assert [penstock(project, "deploy", "--version", v).body["envelope"]["left"] for v in ("1", "2")] == [1, 0]
    refused = penstock(project, "deploy", "--version", "3")
    assert refused.code == 2
    assert refused.error["code"] == "seal"
    assert "--accept-spent" in refused.error["try"]
    assert live(project)["slots"][live(project)["live"]]["version"] == 2
    done = penstock(project, "deploy", "--version", "3", "--accept-spent", "only the threshold changed")
    assert done.code == 0
    assert done.body["envelope"]["reused"] is True
    assert any("only the threshold changed" in w for w in done.body["warnings"])
    entry = live(project)["slots"][live(project)["live"]]
    assert entry["deployment"]["accept_spent"] == "only the threshold changed"
    opened = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "open envelope"]
    assert len(opened) == 2


def test_a_gate_that_says_no_at_run_keeps_the_model_as_not_passed(penstock: Cli, project_at: Cli) -> None:
    """Exit 1, by how much, and the version is registered without an alias; deploy refuses it and opens nothing."""
    project = project_at("run")
    add_gate(project)
    done = penstock(project, "run")
    assert done.code == 1
    [gate] = [g for g in done.body["gates"] if not g["passed"]]
    assert gate["value"] < gate["limit"] == 0.9999
    version = done.body["model"]["version"]
    [registered] = [v for v in penstock(project, "models").body["versions"] if v["version"] == version]
    assert registered["passed"] is False
    assert registered["aliases"] == []
    refused = penstock(project, "deploy", "--version", str(version))
    assert refused.code == 2
    assert "did not pass its gates" in refused.error["what"]
    assert not [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "open envelope"]


def test_an_override_at_run_is_shown_in_report_card_and_registry(penstock: Cli, project_at: Cli) -> None:
    """Named, reasoned, and never forgotten."""
    project = project_at("run")
    add_gate(project)
    done = penstock(project, "run", "--override", "the board wants a pilot")
    assert done.code == 0
    assert done.body["overrides"][0]["reason"] == "the board wants a pilot"
    folder = project / done.body["bundle"]
    assert "the board wants a pilot" in (folder / "card.md").read_text(encoding="utf-8")
    assert "the board wants a pilot" in (project / done.body["report"]).read_text(encoding="utf-8")
    version = done.body["model"]["version"]
    [registered] = [v for v in penstock(project, "models").body["versions"] if v["version"] == version]
    assert registered["overrides"][0]["reason"] == "the board wants a pilot"
    events = penstock(project, "doctor", "--trail").body["events"]
    assert [e for e in events if e["what"] == "override" and e["details"]["reason"] == "the board wants a pilot"]


def test_the_deploy_of_an_overridden_version_shows_its_override(penstock: Cli, project_at: Cli) -> None:
    """Its deployment and the page of the deploy repeat what was overridden at `run`."""
    project = project_at("run")
    add_gate(project)
    penstock(project, "run", "--override", "the board wants a pilot")
    done = penstock(project, "deploy", "--override", "still wanted")
    assert done.code == 0
    page = next((project / "reports").glob("deploy-*.html")).read_text(encoding="utf-8")
    assert "the board wants a pilot" in page
    assert "still wanted" in page


def test_a_gate_that_says_no_at_deploy_switches_nothing_and_spends_the_envelope(penstock: Cli, project_at: Cli) -> None:
    """Exit 1; what was live stays live; an override then acts on that exam and opens no other envelope."""
    project = project_at("run")
    add_gate(project)
    done = penstock(project, "deploy")
    assert done.code == 1
    assert done.body["deployed"] is False
    assert done.body["slot"] is None
    assert done.body["envelope"]["left"] == 1
    assert not (project / ".penstock/serving/slots.json").exists()
    again = penstock(project, "deploy", "--override", "good enough for a trial")
    assert again.code == 0
    assert again.body["envelope"]["opened"] == done.body["envelope"]["opened"]
    assert again.body["envelope"]["left"] == 1
    assert again.body["overrides"][0]["reason"] == "good enough for a trial"


def test_an_override_is_shown_by_the_server(penstock: Cli, project_at: Cli, serve: Cli) -> None:
    """GET /model of a version that was deployed against its gates says so."""
    project = project_at("run")
    add_gate(project)
    penstock(project, "deploy", "--override", "good enough for a trial")
    app = serve(project)
    status, body = app.ask("GET", "/model")
    app.close()
    assert status == 200
    assert body["deployment"]["overrides"][0]["reason"] == "good enough for a trial"


def test_an_override_without_a_reason_is_refused(penstock: Cli, project_at: Cli) -> None:
    """Blank is no reason, and nothing is opened."""
    project = project_at("run")
    done = penstock(project, "deploy", "--override", "  ")
    assert done.code == 2
    assert "reason" in done.error["what"]
    assert not [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "open envelope"]


def test_accepting_spent_envelopes_without_a_reason_is_refused(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """Blank is no reason."""
    project = project_at("run")
    done = penstock(project, "deploy", "--accept-spent", "")
    assert done.code == 2
    assert "reason" in done.error["what"]


def test_a_live_version_that_cannot_be_read_costs_no_envelope(
    penstock: Cli, project_at: Cli, set_line: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read before one is opened, once for all that a deploy asks of it."""
    from penstock.bundle.runtime import Bundle

    project = project_at("live")
    another_version(penstock, set_line, project)
    state_dir, loaded = project / ".penstock/serving", []
    place = state_dir / live(project)["slots"]["blue"]["path"]
    load = Bundle.load
    monkeypatch.setattr(Bundle, "load", lambda path, **more: (loaded.append(Path(path)), load(path, **more))[1])
    whole = (place / "signature.json").read_bytes()
    (place / "signature.json").write_bytes(whole[:-20])
    refused = penstock(project, "deploy")
    assert (refused.code, refused.error["code"]) == (2, "bundle")
    opened = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "open envelope"]
    assert len(opened) == 1, "that of the version that is live"
    (place / "signature.json").write_bytes(whole)
    loaded.clear()
    assert penstock(project, "deploy").code == 0
    assert loaded.count(place) == 1


def test_rollback_puts_the_version_before_back(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """In under a second; and a second rollback goes forward again."""
    project = project_at("run")
    another_version(penstock, set_line, project)
    assert penstock(project, "deploy", "--version", "1").body["slot"] == "blue"
    assert penstock(project, "deploy", "--version", "2").body["slot"] == "green"
    done = penstock(project, "rollback")
    assert done.code == 0
    assert (done.body["version"], done.body["slot"]) == (1, "blue")
    took = [done.body["seconds"]]
    while min(took) >= 1.0 and len(took) < 9:  # a machine that does much else may be late at times
        took += [penstock(project, "rollback").body["seconds"] for _ in range(2)]
    assert min(took) < 1.0
    aliases = {v["version"]: v["aliases"] for v in penstock(project, "models").body["versions"]}
    assert aliases == {1: ["champion"], 2: []}
    assert penstock(project, "rollback").body["version"] == 2


def test_a_worker_that_hangs_does_not_undo_a_rollback(
    penstock: Cli, project_at: Cli, set_line: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was bad stays away from the workers that have gone back; whoever rolls back hears which one has not."""
    project = project_at("run")
    another_version(penstock, set_line, project)
    for version in ("1", "2"):
        assert penstock(project, "deploy", "--version", version).code == 0
    state_dir = project / ".penstock" / "serving"
    hanging = AcknowledgementFile(state_dir)
    hanging.serves(read_slots(state_dir).epoch, "titanic", 2, "green")
    monkeypatch.setattr("penstock.serving.acknowledgements.RETURN_S", 0.05)
    done = penstock(project, "rollback")
    hanging.remove()
    assert done.code == 2
    assert "is live again, but not every worker has switched" in done.error["what"]
    assert str(os.getpid()) in done.error["why"]
    entry = read_slots(state_dir).live_entry
    assert entry is not None
    assert entry.version == 1
    aliases = {v["version"]: v["aliases"] for v in penstock(project, "models").body["versions"]}
    assert aliases == {1: ["champion"], 2: []}


def test_a_worker_that_refuses_undoes_a_rollback(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """What it cannot answer with is not live."""
    project = project_at("run")
    another_version(penstock, set_line, project)
    for version in ("1", "2"):
        assert penstock(project, "deploy", "--version", version).code == 0
    state_dir = project / ".penstock" / "serving"
    epoch = read_slots(state_dir).epoch
    refusing = AcknowledgementFile(state_dir)
    refusing.serves(epoch, "titanic", 2, "green")
    refusing.refuses(epoch + 1, BundleError("graph.onnx is damaged", "a bit flipped", "copy it again"))
    done = penstock(project, "rollback")
    refusing.remove()
    assert done.code == 2
    assert "graph.onnx is damaged" in done.error["what"]
    entry = read_slots(state_dir).live_entry
    assert entry is not None
    assert entry.version == 2


@pytest.mark.parametrize("stage", ["run", "live"])
def test_rollback_without_anything_to_go_back_to_is_refused(penstock: Cli, project_at: Cli, stage: str) -> None:
    """Nothing deployed, or one version only."""
    done = penstock(project_at(stage), "rollback")
    assert done.code == 2
    assert "no version to go back to" in done.error["what"]


def test_an_unknown_version_is_not_found(penstock: Cli, project_at: Cli) -> None:
    """The message names what there is."""
    done = penstock(project_at("run"), "deploy", "--version", "7")
    assert done.code == 2
    assert done.error["code"] == "not-found"


def test_a_project_without_a_model_has_nothing_to_deploy(penstock: Cli, project_at: Cli) -> None:
    """The way out is `penstock run`."""
    done = penstock(project_at("new"), "deploy")
    assert done.code == 2
    assert "penstock run" in done.error["try"]


def test_a_deleted_bundle_folder_is_restored_from_the_store(penstock: Cli, project_at: Cli) -> None:
    """`models/` is for people; what counts is in the store."""
    import shutil

    project = project_at("run")
    shutil.rmtree(project / "models")
    assert penstock(project, "deploy").code == 0
    assert (project / "models/v1/manifest.json").is_file()


def test_a_flipped_bit_in_the_bundle_folder_is_healed_from_the_store(penstock: Cli, project_at: Cli) -> None:
    """What goes live is what was registered."""
    project = project_at("run")
    flip(project / "models/v1/graph.onnx")
    assert penstock(project, "deploy").code == 0
    from penstock.bundle.runtime import Bundle

    Bundle.load(project / ".penstock/serving" / live(project)["slots"]["blue"]["path"]).self_test()
    assert penstock(project, "doctor").code == 0


def test_a_bundle_that_was_replaced_by_another_is_not_deployed_in_its_place(
    penstock: Cli, project_at: Cli, set_line: Cli
) -> None:
    """A whole, valid bundle under the wrong number is not the version that was registered."""
    import shutil

    project = project_at("run")
    another_version(penstock, set_line, project)
    shutil.rmtree(project / "models/v1")
    shutil.copytree(project / "models/v2", project / "models/v1")
    assert penstock(project, "deploy", "--version", "1").code == 0
    digest = next(v["bundle"] for v in penstock(project, "models").body["versions"] if v["version"] == 1)
    from penstock.bundle.runtime import Bundle

    assert Bundle.load(project / ".penstock/serving" / live(project)["slots"]["blue"]["path"]).digest == digest


def test_a_deploy_of_damaged_stored_bytes_is_refused_before_an_envelope_is_opened(
    penstock: Cli, project_at: Cli
) -> None:
    """Neither the folder nor the store has the graph: nothing is switched, nothing is spent."""
    project = project_at("run")
    graph = json.loads((project / "models/v1/manifest.json").read_text(encoding="utf-8"))["files"]["graph.onnx"]
    digest = graph["digest"].removeprefix("sha256:")
    flip(project / ".penstock/objects" / digest[:2] / digest[2:])
    flip(project / "models/v1/graph.onnx")
    done = penstock(project, "deploy")
    assert done.code == 2
    assert done.error["code"] == "damaged"
    assert not [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "open envelope"]


def test_a_deploy_stops_a_second_one(penstock: Cli, project_at: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and is refused with its name when that takes too long."""
    from penstock.ledger import locks
    from penstock.project.project import Project

    project = project_at("run")
    monkeypatch.setattr(locks.time, "monotonic", partial(next, itertools.count(0.0, 40.0)))
    with Project(project).ledger.lock("deploy shop"):
        done = penstock(project, "deploy")
    assert done.code == 2
    assert "already at work" in done.error["what"]


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
