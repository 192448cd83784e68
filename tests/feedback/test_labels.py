"""Labels from files: by prediction id or key, idempotent, rejected with a code."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def answered(projects: Any, rows_of: Cli, serve: Cli, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A live project that has answered 40 rows: the project, the rows, the answers."""
    project = projects.copy("binary", "live", tmp_path_factory.mktemp("answered"))
    app = serve(project)
    rows = rows_of(40, seed=30)
    answers = app.predict(rows)
    app.close()
    return project, rows, answers


def write(path: Path, items: list[dict[str, Any]]) -> Path:
    """A table of labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(items[0]))
        writer.writeheader()
        writer.writerows(items)
    return path


def test_labels_come_by_id_and_importing_them_again_changes_nothing(
    penstock: Cli, answered: Any, tmp_path: Path
) -> None:
    """The same file twice gives one label per prediction."""
    project, rows, answers = answered
    file = write(
        tmp_path / "l.csv", [{"id": a["id"], "label": r["bought"]} for a, r in zip(answers[:10], rows, strict=False)]
    )
    first = penstock(project, "label", "import", str(file))
    size = sum(p.stat().st_size for p in (project / ".penstock/serving/journal").rglob("*") if p.is_file())
    second = penstock(project, "label", "import", str(file))
    assert first.body["accepted"] == second.body["accepted"] == 10
    assert size == sum(p.stat().st_size for p in (project / ".penstock/serving/journal").rglob("*") if p.is_file())


def test_labels_come_by_key(penstock: Cli, answered: Any, tmp_path: Path) -> None:
    """The key is the identifier column that the declaration names."""
    from penstock.serving.labels import read_labels

    project, rows, answers = answered
    items = [{"key": r["id"], "label": r["bought"], "author": "crm"} for r in rows[10:20]]
    done = penstock(project, "label", "import", str(write(tmp_path / "l.csv", items)))
    assert done.body == {**done.body, "accepted": 10, "rejected": []}
    held = read_labels(project / ".penstock/serving/journal")
    assert [held[a["id"]].label for a in answers[10:20]] == [r["bought"] for r in rows[10:20]]
    assert held[answers[10]["id"]].author == "crm"


def test_a_later_label_is_a_correction(penstock: Cli, answered: Any, tmp_path: Path) -> None:
    """The one with the latest `at` holds."""
    from penstock.serving.labels import read_labels

    project, _, answers = answered
    target = answers[25]["id"]
    for at, value in (("2026-01-02T00:00:00Z", "yes"), ("2026-01-03T00:00:00Z", "no"), ("2026-01-01T00:00:00Z", "yes")):
        done = penstock(
            project, "label", "import", str(write(tmp_path / "l.csv", [{"id": target, "label": value, "at": at}]))
        )
        assert done.code == 0
    assert read_labels(project / ".penstock/serving/journal")[target].label == "no"


def test_labels_that_cannot_be_taken_are_rejected_with_a_code_and_the_others_are_kept(
    penstock: Cli, answered: Any, tmp_path: Path
) -> None:
    """Exit 1: a check said no; what was good is kept."""
    project, _, answers = answered
    items = [
        {"id": answers[30]["id"], "key": "", "label": "yes", "at": ""},
        {"id": answers[31]["id"], "key": "", "label": "maybe", "at": ""},
        {"id": "no-such-prediction", "key": "", "label": "yes", "at": ""},
        {"id": "", "key": "nobody", "label": "yes", "at": ""},
        {"id": "", "key": "", "label": "yes", "at": ""},
        {"id": answers[32]["id"], "key": "", "label": "", "at": ""},
        {"id": answers[33]["id"], "key": "", "label": "no", "at": "tomorrow"},
    ]
    done = penstock(project, "label", "import", str(write(tmp_path / "l.csv", items)))
    assert done.code == 1
    assert done.body["accepted"] == 1
    assert {r["index"]: r["code"] for r in done.body["rejected"]} == {
        1: "bad-label",
        2: "unknown-prediction",
        3: "unknown-prediction",
        4: "missing-field",
        5: "missing-field",
        6: "bad-label",
    }
    assert all(r["why"] for r in done.body["rejected"])


def test_labels_come_in_the_projects_own_words(penstock: Cli, answered: Any, tmp_path: Path) -> None:
    """The key column (here called `id`, too) and the target, as in the data set; prediction ids are told apart."""
    from penstock.serving.labels import read_labels

    project, rows, answers = answered
    items = [{"id": r["id"], "bought": r["bought"]} for r in rows[34:36]]
    items.append({"id": answers[36]["id"], "bought": rows[36]["bought"]})
    done = penstock(project, "label", "import", str(write(tmp_path / "l.csv", items)))
    assert done.body == {**done.body, "accepted": 3, "rejected": []}
    held = read_labels(project / ".penstock/serving/journal")
    assert [held[a["id"]].label for a in answers[34:37]] == [r["bought"] for r in rows[34:37]]


def test_every_label_is_told_of_once_corrections_too(
    penstock: Cli, projects: Any, serve: Cli, rows_of: Cli, tmp_path: Path
) -> None:
    """One event for what has come since the last one, whatever retention has deleted of the journal meanwhile."""
    project = projects.copy("binary", "live", tmp_path)
    app = serve(project)
    answers = app.predict(rows_of(3, seed=31))
    app.close()

    def events() -> list[int]:
        penstock(project, "label", "status")
        trail = penstock(project, "doctor", "--trail").body["events"]
        return [event["details"]["labels"] for event in trail if event["what"] == "label"]

    def label(values: list[str]) -> None:
        items = [{"id": a["id"], "label": value} for a, value in zip(answers, values, strict=False)]
        assert penstock(project, "label", "import", str(write(tmp_path / "l.csv", items))).code == 0

    assert events() == []
    label(["yes", "yes", "yes"])
    assert events() == [3]
    label(["no"])
    assert events() == [3, 1]
    label(["no"])
    assert events() == [3, 1]


@pytest.mark.parametrize("header", ["id,outcome", "label", "id,label,colour"])
def test_a_table_that_is_none_of_labels_is_refused(penstock: Cli, answered: Any, tmp_path: Path, header: str) -> None:
    """The message names the columns it found and those it wants."""
    file = tmp_path / "l.csv"
    file.write_text(f"{header}\n{','.join('a' for _ in header.split(','))}\n", encoding="utf-8")
    done = penstock(answered[0], "label", "import", str(file))
    assert done.code == 2
    assert done.error["code"] == "label"
    assert "id or key" in done.error["try"]


def test_labels_come_as_json_lines_too(penstock: Cli, answered: Any, tmp_path: Path) -> None:
    """Any table that Penstock reads."""
    project, rows, answers = answered
    file = tmp_path / "l.jsonl"
    file.write_text(
        "\n".join(json.dumps({"id": a["id"], "label": r["bought"]}) for a, r in zip(answers[:5], rows, strict=False)),
        encoding="utf-8",
    )
    assert penstock(project, "label", "import", str(file)).body["accepted"] == 5


def test_without_a_deploy_there_is_nothing_to_label(penstock: Cli, project_at: Cli, tmp_path: Path) -> None:
    """Exit 2."""
    done = penstock(project_at("run"), "label", "import", str(write(tmp_path / "l.csv", [{"id": "x", "label": "yes"}])))
    assert done.code == 2
    assert "penstock deploy" in done.error["try"]


def test_a_missing_file_of_labels_is_named(penstock: Cli, answered: Any) -> None:
    """Exit 2, no traceback."""
    done = penstock(answered[0], "label", "import", "nowhere.csv")
    assert done.code == 2
    assert "nowhere.csv" in done.error["what"] + done.error["why"]


def test_labels_leave_an_event_in_the_audit_trail(penstock: Cli, answered: Any, tmp_path: Path) -> None:
    """Also those that came over HTTP: the next command that looks at them writes it, once."""
    project, _, answers = answered
    penstock(project, "label", "import", str(write(tmp_path / "l.csv", [{"id": answers[39]["id"], "label": "yes"}])))
    before = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "label"]
    penstock(project, "label", "status")
    after = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "label"]
    assert before
    assert after == before
    assert after[-1]["details"]["labels"] == 1


def test_the_library_takes_labels_as_the_command_does(answered: Any, tmp_path: Path) -> None:
    """`penstock.import_labels`."""
    import penstock

    project, rows, answers = answered
    file = write(tmp_path / "l.csv", [{"id": answers[38]["id"], "label": rows[38]["bought"]}])
    result = penstock.import_labels(penstock.Project(project), file, author="me")
    assert (result.accepted, result.rejected) == (1, [])
    assert "1 labels accepted" in result.to_text()
