"""`penstock quantise`: forms beside the exact graph, gates that refuse what does damage, and a version that can be served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from penstock.bundle.runtime import Bundle
from penstock.lifecycle.quantised import best
from penstock.lifecycle.reproducible import runs_behind
from penstock.project.project import Project

Cli = Callable[..., Any]
FORMS = ["float16", "int8-dynamic", "int8-static", "int4"]
RARE = "unheard"
"""A word that the training rows know and that no other row has."""


@pytest.fixture(scope="module")
def notes(penstock: Cli, set_line: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model weighs 1,500 words; never changed by a test."""
    folder = tmp_path_factory.mktemp("notes")
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(1500)])
    lines = ["id,note,bought"]
    for i in range(1600):
        bought = i % 2
        drawn = rng.choice(750, 20) + (750 if rng.random() < 0.15 else 0) * (1 - bought)
        lines.append(
            f"{i},{' '.join(words[drawn])} {'please' if bought and rng.random() < 0.5 else 'now'},{['no', 'yes'][bought]}"
        )
    (folder / "notes.csv").write_text("\n".join(lines), encoding="utf-8")
    done = penstock(
        folder, "new", "notes", "--data", "notes.csv", "--target", "bought", "--key", "id", "--kind", "note=text"
    )
    assert done.code == 0, done
    project = folder / "notes"
    (project / "recipe.toml").write_text('outputs = ["tfidf(note)"]\n', encoding="utf-8")
    for line in ('learners = ["linear"]', "workers = 1", 'budget = "1 trials"'):
        set_line(project, "search", line)
    done = penstock(project, "run")
    assert done.code == 0, done
    done = penstock(project, "quantise")
    assert done.code == 0, done
    return project


@pytest.fixture
def project(notes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(notes, tmp_path / "notes"))


def test_every_form_is_told_of_beside_the_exact_graph(penstock: Cli, notes: Path) -> None:
    """Size, speed, quality with its interval, what moved, and what each gate said; known figures are not measured again."""
    body = penstock(notes, "quantise").body
    assert [row["form"] for row in body["forms"]] == ["exact", *FORMS]
    exact, *forms = body["forms"]
    for row in forms:
        assert row["applies"]
        assert row["graph_mb"] < exact["graph_mb"]
        assert row["size_mb"] < exact["size_mb"]
        assert 0 <= row["moved"]["p99"] <= row["moved"]["largest"] < 0.2
        assert row["value"]["low"] <= row["value"]["value"] <= row["value"]["high"]
        assert row["rows_per_s"] > 0
        assert row["row_ratio"] > 0
        assert row["memory_mb"] > 0
        assert [g["id"] for g in row["gates"]][-4:] == [
            "quantise.max_loss",
            "quantise.max_changed",
            "quantise.rows",
            "quantise.smaller",
        ]
    assert body["chosen"] in FORMS
    assert body["run"] == penstock(notes, "quantise").body["run"]


def test_the_best_form_becomes_a_version_that_is_deployed_and_answers_its_own_examples(
    penstock: Cli, project: Path, serve: Cli
) -> None:
    """Bit for bit, in a server; the card and the examples state the tolerance, the lineage leads to the exact version."""
    made = penstock(project, "quantise", "--form", "int8-static", "--register")
    assert made.code == 0, made
    assert made.body["registered"] == 2
    bundle = Bundle.load(project / made.body["bundle"])
    exact = Bundle.load(project / "models" / "v1")
    examples = json.loads(bundle.read("examples.json"))
    quantised = bundle.card["quantised"]
    assert examples["tolerance"] == quantised["largest"] > 1e-5
    assert quantised["of"] == {"version": 1, "bundle": exact.digest}
    assert "made from version 1" in bundle.read("card.md").decode()
    assert bundle.signature == exact.signature
    assert (project / made.body["report"]).is_file()
    assert exact.digest in penstock(project, "lineage", "2").out
    opened = Project(project)
    exact_runs, own_runs = (runs_behind(opened, opened.ledger.registry.get("notes", n)) for n in (1, 2))
    assert own_runs == {**exact_runs, "quantised": made.body["run"]}  # what the gate `reproducible` asks for

    deployed = penstock(project, "deploy")
    assert deployed.code == 0, deployed
    assert deployed.body["version"] == 2
    app = serve(project)
    told = app.predict(examples["rows"])
    app.close()
    assert len(told) >= 8
    for answer, packaged in zip(told, examples["answers"], strict=True):
        assert {name: answer[name] for name in ("prediction", "probabilities", "decision", "novelty")} == {
            name: packaged[name] for name in ("prediction", "probabilities", "decision", "novelty")
        }


def test_a_quantised_version_is_not_quantised_again(penstock: Cli, project: Path) -> None:
    penstock(project, "quantise", "--register")
    error = penstock(project, "quantise", "--version", "2").error
    assert error["code"] == "project"
    assert "--version 1" in error["try"]


def test_a_version_made_twice_is_one_version(penstock: Cli, project: Path) -> None:
    """What is known is not registered again."""
    first = penstock(project, "quantise", "--register").body
    assert penstock(project, "quantise", "--register").body["registered"] == first["registered"]
    assert [v["version"] for v in penstock(project, "models").body["versions"]] == [1, 2]


def test_it_is_reproduced_byte_by_byte(penstock: Cli, project: Path) -> None:
    """The form that was chosen is made again, whatever the clock says now."""
    run = penstock(project, "quantise").body["run"]
    done = penstock(project, "reproduce", run)
    assert done.code == 0, done
    assert done.body["verdict"] == "identical", done.body["differences"]


def test_a_form_that_does_damage_is_refused(penstock: Cli, project: Path) -> None:
    """One enormous weight, of a word that no row has, takes all steps of 8 bits for itself: every other weight becomes 0."""
    version = str(with_one_enormous_weight(project))
    done = penstock(project, "quantise", "--version", version, "--form", "int8-static", "--form", "float16")
    assert done.code == 0
    assert done.body["chosen"] == "float16"
    ruined = done.body["forms"][1]
    assert ruined["form"] == "int8-static"
    assert not ruined["passed"]
    failed = {gate["id"] for gate in ruined["gates"] if not gate["passed"]}
    assert failed >= {"quantise.max_loss", "quantise.max_changed", "roc_auc-beats-baseline"}


def test_an_override_takes_the_form_that_it_is_about_and_stays_visible(penstock: Cli, project: Path) -> None:
    version = str(with_one_enormous_weight(project))
    arguments = ("quantise", "--version", version, "--override", "for a demonstration")
    assert "one form" in penstock(project, *arguments).error["what"]
    done = penstock(project, *arguments, "--form", "int8-static", "--register")
    assert done.code == 0, done
    assert {o["reason"] for o in done.body["overrides"]} == {"for a demonstration"}
    models = penstock(project, "models").body["versions"]
    assert models[-1]["overrides"]
    assert not models[-1]["passed"]
    card = Bundle.load(project / done.body["bundle"]).card
    assert card["overrides"][0]["reason"] == "for a demonstration"


def test_limits_of_the_device_decide(penstock: Cli, project: Path, set_line: Cli) -> None:
    """Nothing is registered where a form is good and too large, too slow or too hungry."""
    for limit in ("size_mb = 0.01", "latency_ms = 0.0001", "memory_mb = 1"):
        set_line(project, "scope", limit)
    done = penstock(project, "quantise", "--form", "float16", "--register")
    assert done.code == 1
    assert done.body["registered"] is None
    failed = {gate["id"] for gate in done.body["forms"][1]["gates"] if not gate["passed"]}
    assert failed == {"scope.size_mb", "scope.latency_ms", "scope.memory_mb"}


def test_loss_and_changes_that_are_not_allowed_are_refused(penstock: Cli, project: Path, set_line: Cli) -> None:
    for line in ("max_loss = 0", "max_changed = 0"):
        set_line(project, "quantise", line)
    done = penstock(project, "quantise", "--form", "int4")
    assert done.code == 1
    assert {g["id"] for g in done.body["forms"][1]["gates"] if not g["passed"]} & {
        "quantise.max_loss",
        "quantise.max_changed",
    }


@pytest.mark.parametrize(
    ("scope", "chosen"),
    [
        ({"target": "edge", "use": "realtime"}, "small"),
        ({"target": "browser", "use": "batch"}, "small"),
        ({"target": "server", "use": "realtime"}, "quick and exact"),
        ({"target": "server", "use": "batch"}, "quick in bulk"),
    ],
)
def test_a_small_device_gets_the_smallest_and_a_server_the_fastest(scope: dict[str, str], chosen: str) -> None:
    """Of those that pass, `[scope] target` and `use` say what counts; of equally fast ones the most exact is taken."""

    def trial(form: str, size_mb: float, row: float, batch: float, p99: float, *, passed: bool = True) -> Any:
        pace = SimpleNamespace(row_ratio=row, batch_ratio=batch)
        figures = {"footprint": SimpleNamespace(size_mb=size_mb), "pace": pace, "moved": SimpleNamespace(p99=p99)}
        return SimpleNamespace(form=form, passed=passed, **figures)

    trials = [
        trial("best of all", 0, 0.1, 0.1, 0, passed=False),
        trial("small", 1, 3, 3, 0),
        trial("quick", 2, 0.5, 2, 0.1),
        trial("quick and exact", 2, 0.52, 2, 0.01),
        trial("quick in bulk", 3, 1, 0.5, 0.1),
    ]
    found = best({one.form: one for one in trials}, {"scope": scope, "override": None})
    assert found is not None
    assert found.form == chosen


def test_a_graph_without_large_weights_has_no_form(penstock: Cli, project_at: Cli) -> None:
    """Exit 1, and a word on why for each form."""
    done = penstock(project_at("run"), "quantise", "--register")
    assert done.code == 1
    assert all("nothing is saved" in row["why"] for row in done.body["forms"][1:])
    assert done.body["chosen"] is None


def test_an_unknown_form_is_named(penstock: Cli, project: Path) -> None:
    error = penstock(project, "quantise", "--form", "int3").error
    assert error["code"] == "bad-parameter"
    assert "int4" in error["why"]


def test_people_read_a_table(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from penstock.cli.app import run

    monkeypatch.chdir(project)
    assert run(["quantise"]) == 0
    said = capsys.readouterr().out
    assert "int8-dynamic" in said
    assert "measure again on the device" in said
    assert "next: penstock quantise --register" in said


def test_the_page_holds_the_table_and_what_every_gate_said(penstock: Cli, project: Path) -> None:
    """Whole, without an outside address."""
    assert penstock(project, "quantise", "--html", "forms.html").code == 0
    page = (project / "forms.html").read_text(encoding="utf-8")
    for word in (*FORMS, "exact", "quantise.max_loss", "passes", "Latency and memory are those of this machine"):
        assert word in page
    assert "http" not in page


def test_its_json_has_the_keys_of_the_contract(penstock: Cli, notes: Path) -> None:
    """Scripts rely on them."""
    body = penstock(notes, "quantise").body
    assert {
        "model",
        "version",
        "metric",
        "forms",
        "chosen",
        "overrides",
        "registered",
        "bundle",
        "report",
        "run",
    } <= set(body)
    figures = {"form", "applies", "graph_mb", "size_mb", "memory_mb", "latency_p50_ms", "latency_p99_ms", "row_cpu_ms"}
    figures |= {"row_ratio", "rows_per_s", "batch_ratio", "value"}
    assert all(figures <= set(row) for row in body["forms"])
    for row in body["forms"][1:]:
        assert {"passed", "difference", "moved", "gates"} <= set(row)
        assert all({"id", "passed", "value", "limit", "why"} <= set(gate) for gate in row["gates"])


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_every_task_can_be_had_in_fewer_bits(
    penstock: Cli, project_at: Cli, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """Small matrices are taken here, too, of which nothing is saved: an override says so and goes on."""
    monkeypatch.setattr("penstock.packaging.quantising.weights.LEAST", 4)
    project = project_at("run", task=task)
    arguments = ("quantise", "--form", "int8-static", "--override", "to see it", "--register")
    done = penstock(project, *arguments)
    assert done.code == 0, done
    (_, row) = done.body["forms"]
    assert row["moved"]["strange"] == 0
    assert row["moved"]["largest"] < 0.2
    assert {g["id"] for g in row["gates"] if not g["passed"]} <= {
        "quantise.smaller",
        "quantise.max_changed",
        "quantise.max_loss",
    }
    bundle = Bundle.load(project / done.body["bundle"])
    bundle.self_test(exact=True)
    assert bundle.card["quantised"]["form"] == "int8-static"


def with_one_enormous_weight(root: Path) -> int:
    """Another version: the exact model, but for the weight of a word that validation rows do not have."""
    import onnx
    from onnx import numpy_helper

    from penstock.bundle.format import write_bundle
    from penstock.lifecycle.bundles import keep_bundle, packaging_run

    project = Project(root)
    ledger = project.ledger
    version = ledger.registry.get("notes", 1)
    packaged = packaging_run(project, version)
    bundle = Bundle.load(root / "models" / "v1")
    files = {name: bundle.read(name) for name in bundle.manifest["files"]}
    model = onnx.load_model_from_string(files["graph.onnx"])
    node = next(
        n
        for n in model.graph.node
        if n.op_type == "Constant" and list(n.attribute[0].t.dims)[1:] == [1] and n.attribute[0].t.dims[0] > 1000
    )
    weights = numpy_helper.to_array(node.attribute[0].t).copy()
    weights[seldom(project, bundle)] = 6e4
    node.attribute[0].t.CopyFrom(numpy_helper.from_array(weights))
    files["graph.onnx"] = model.SerializeToString()
    folder = root / "crafted"
    write_bundle(folder, files, "crafted")
    with ledger.run("package", inputs=packaged.inputs, params=packaged.params, project="notes") as run:
        digest = keep_bundle(run, folder)
        run.output("scope", [])
    params = {**ledger.get(version.run).params, "package": run.id}
    with ledger.run("register", inputs={"bundle": digest}, params=params, project="notes") as registering:
        return int(
            ledger.registry.register(
                "notes", registering.id, digest, version.report, passed=True, dataset=version.dataset, metrics={}
            )
        )


def seldom(project: Any, bundle: Bundle) -> int:
    """The number of a weight that no validation row meets."""
    from penstock.bundle.packing import pack
    from penstock.lifecycle.bundles import packaging_run
    from penstock.lifecycle.rows import of_inputs
    from penstock.lifecycle.stages import Context
    from penstock.packaging.quantising.weights import find_weights

    weights = find_weights(bundle.read("graph.onnx"))
    (product,) = weights.products
    rows = of_inputs(Context(project), packaging_run(project, project.ledger.registry.get("notes", 1)).inputs)
    import onnx

    from penstock.bundle.graph import open_session

    value = product.node.input[0]
    weights.model.graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    feeds = pack(rows.valid[0], bundle.signature.layout)
    features = open_session(weights.model.SerializeToString()).run([value], feeds)[0]
    return int(np.flatnonzero(~features.any(axis=0))[0])
