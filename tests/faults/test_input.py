"""Bad input: each ends with what, why and the way out, or with the work going on; never with a traceback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


def new(
    penstock: Cli, folder: Path, data: bytes | str, *options: str, name: str = "table.csv", target: str = "y"
) -> Any:
    """`penstock new shop` from these bytes."""
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return penstock(folder, "new", "shop", "--data", name, "--target", target, *options)


def table(n: int = 60, header: str = "a,b,y", y: Callable[[int], Any] = lambda i: "yn"[i % 2]) -> str:
    """Two numbers and a target."""
    return "\n".join([header, *(f"{i * 1.5},{i % 7},{y(i)}" for i in range(n))]) + "\n"


def kinds(outcome: Any) -> dict[str, str]:
    """Column -> kind."""
    return {column["name"]: column["kind"] for column in outcome.body["columns"]}


REFUSED = {
    "an empty file": (b"", "source"),
    "a header only": (b"a,b,y\n", "source"),
    "no such target": (table().replace("y\n", "z\n", 1), "target"),
    "a constant target": (table(y=lambda i: "same"), "target"),
    "an empty target": (table(y=lambda i: ""), "target"),
    "two columns of one name": (table(header="a,a,y"), "source"),
    "a broken byte": (table().encode().replace(b"\n1.5,", b"\n1.5\xff,", 1), "source"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_and_no_folder_is_left(penstock: Cli, tmp_path: Path, case: str) -> None:
    """Exit 2 with a code, what, why and the way out."""
    data, code = REFUSED[case]
    done = new(penstock, tmp_path, data)
    assert done.code == 2, done
    assert done.error["code"] == code
    assert all(len(done.error[part]) > 5 for part in ("what", "why", "try"))
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv"}


def test_a_broken_byte_is_told_with_its_place(penstock: Cli, tmp_path: Path) -> None:
    """And the option that names another encoding."""
    done = new(penstock, tmp_path, REFUSED["a broken byte"][0])
    assert "--encoding" in done.error["try"]
    done = new(penstock, tmp_path, table().encode().replace(b"yn", b"y\xe9"), "--encoding", "latin-1")
    assert done.code == 0


def test_a_missing_target_column_names_the_nearest(penstock: Cli, tmp_path: Path) -> None:
    """A misspelt target is the usual reason."""
    done = new(penstock, tmp_path, table(header="age,job,churned"), target="churnd")
    assert "churned" in done.error["why"] + done.error["try"]


def test_rows_without_a_target_are_left_out_and_counted(penstock: Cli, tmp_path: Path) -> None:
    """They can neither teach nor test."""
    done = new(penstock, tmp_path, table(100, y=lambda i: "" if i < 10 else "yn"[i % 2]))
    assert done.code == 0
    assert sum(done.body["rows"].values()) == 90
    assert any("10" in warning for warning in done.body["warnings"])


def test_a_class_of_one_row_is_told_and_the_pipeline_ends(penstock: Cli, tmp_path: Path) -> None:
    """It cannot be in all parts; the model answers all the same."""
    text = table(120, y=lambda i: "rare" if i == 60 else "yn"[i % 2])
    done = new(penstock, tmp_path, text)
    assert done.code == 0
    assert any("rare" in w or "1 row" in w for w in done.body["warnings"])
    run = penstock(tmp_path / "shop", "run", "--budget", "2 trials", "--override", "tiny")
    assert run.code == 0, run


def test_a_class_that_only_validation_has_seen_is_not_guessed(penstock: Cli, tmp_path: Path) -> None:
    """By time: the last fifth has a class that training rows do not know. It is said, and the run ends."""
    header = "at,a,y"
    lines = [
        f"2026-01-{1 + i // 10:02d}T{i % 10:02d}:00:00,{i % 13},{'new' if i > 180 and i % 3 == 0 else 'xz'[i % 2]}"
        for i in range(300)
    ]
    done = new(penstock, tmp_path, "\n".join([header, *lines]), "--split", "time:at", "--kind", "at=datetime")
    assert done.code in (0, 2), done
    if done.code == 0:
        run = penstock(tmp_path / "shop", "run", "--budget", "2 trials", "--override", "tiny")
        assert run.code == 0, run


def test_a_file_that_changes_while_it_is_copied_leaves_nothing(
    penstock: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes read and bytes recorded are the same, or it is refused."""
    from penstock.data.sources.file import FileSource

    honest = FileSource.batches

    def changing(source: FileSource, *more: Any) -> Any:
        with source.path.open("a", encoding="utf-8") as file:
            file.write("9,9,y\n")
        return honest(source, *more)

    monkeypatch.setattr(FileSource, "batches", changing)
    done = new(penstock, tmp_path, table())
    assert done.code == 2
    assert done.error["code"] == "source"
    assert "chang" in done.error["what"] + done.error["why"]
    assert not (tmp_path / "shop").exists()


@pytest.mark.slow
def test_two_thousand_columns_work(penstock: Cli, tmp_path: Path) -> None:
    """new and run, with the smallest budget."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2000)).round(3)
    y = np.where(X[:, 0] + 0.1 * rng.normal(size=150) > 0, "up", "down")
    lines = [",".join([*(f"c{j}" for j in range(2000)), "y"])]
    lines += [",".join([*map(str, row), label]) for row, label in zip(X.tolist(), y, strict=True)]
    done = new(penstock, tmp_path, "\n".join(lines))
    assert done.code == 0, done
    assert len(done.body["columns"]) >= 2000
    toml = tmp_path / "shop/penstock.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace("[search]", '[search]\nlearners = ["lightgbm"]'), encoding="utf-8"
    )
    run = penstock(tmp_path / "shop", "run", "--budget", "2 trials", "--override", "no matter")
    assert run.code == 0, run


def test_names_with_dots_spaces_and_other_letters_work_to_the_end(penstock: Cli, tmp_path: Path) -> None:
    """A BOM, CRLF, an unnamed first column; through run, deploy, and a batch."""
    rng = np.random.default_rng(1)
    lines = [',Größe in cm,v.1,"Straße ""A""",größer?']
    for i in range(400):
        size = rng.normal(170, 10)
        lines.append(f'{i},{size:.1f},{rng.random():.3f},"{"ab"[i % 2]} ü",{"ja" if size > 170 else "nein"}')
    data = b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"
    done = new(penstock, tmp_path, data, name="Tabelle mit Ümlaut.csv", target="größer?")
    assert done.code == 0, done
    found = kinds(done)
    assert found["Größe in cm"] == "numeric"
    assert 'Straße "A"' in found
    assert len(found) == 4 if "größer?" not in found else 5
    shop = tmp_path / "shop"
    toml = shop / "penstock.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace("[search]", '[search]\nlearners = ["linear"]'), encoding="utf-8"
    )
    assert penstock(shop, "run", "--budget", "2 trials").code == 0
    assert penstock(shop, "deploy").code == 0
    batch = penstock(shop, "predict", "--input", str(tmp_path / "Tabelle mit Ümlaut.csv"), "--output", "antworten.csv")
    assert batch.code == 0, batch
    assert batch.body["rows"] == 400


def test_a_file_without_a_header_has_columns_by_number(penstock: Cli, tmp_path: Path) -> None:
    """`--no-header`: c1, c2, ..."""
    done = new(penstock, tmp_path, table().partition("\n")[2], "--no-header", target="c3")
    assert done.code == 0
    assert {"c1", "c2"} <= set(kinds(done))
    assert sum(done.body["rows"].values()) == 60


def test_columns_are_named_by_option(penstock: Cli, tmp_path: Path) -> None:
    """`--columns a,b,c`."""
    done = new(
        penstock, tmp_path, table().partition("\n")[2], "--columns", "left,right,side", "--no-header", target="side"
    )
    assert done.code == 0
    assert {"left", "right"} <= set(kinds(done))


def test_unbalanced_quotes_are_read_as_they_are(penstock: Cli, tmp_path: Path) -> None:
    """`--quote none`."""
    text = "a,b,y\n" + "".join(f'{i * 1.5},"{"xy"[i % 2]},{"pq"[i // 2 % 2]}\n' for i in range(80))
    done = new(penstock, tmp_path, text, "--quote", "none")
    assert done.code == 0, done
    assert sum(done.body["rows"].values()) == 80


@pytest.mark.parametrize("form", ["tsv", "semicolon", "jsonl", "parquet", "csv.gz", "jsonl.gz"])
def test_every_format_gives_the_same_rows(penstock: Cli, tmp_path: Path, form: str) -> None:
    """Kinds and counts do not depend on how the table was written."""
    rows = [{"a": i * 1.5, "b": "uvw"[i % 3], "y": "yn"[i % 2]} for i in range(90)]
    csv = "a,b,y\n" + "".join(f"{r['a']},{r['b']},{r['y']}\n" for r in rows)
    jsonl = "".join(json.dumps(r) + "\n" for r in rows)
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
        data = (tmp_path / "t.parquet").read_bytes()
    else:
        data = {
            "tsv": csv.replace(",", "\t").encode(),
            "semicolon": csv.replace(",", ";").encode(),
            "jsonl": jsonl.encode(),
            "csv.gz": gzip.compress(csv.encode()),
            "jsonl.gz": gzip.compress(jsonl.encode()),
        }[form]
    done = new(penstock, tmp_path, data, name="t." + form.replace("semicolon", "csv"))
    assert done.code == 0, done
    assert sum(done.body["rows"].values()) == 90
    found = kinds(done)
    assert (found["a"], found["b"]) == ("numeric", "categorical")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "clustering"], "clustering"),
        (["--split", "sideways"], "sideways"),
        (["--split", "time:nowhere"], "nowhere"),
        (["--kind", "a=colour"], "colour"),
        (["--kind", "nowhere=numeric"], "nowhere"),
        (["--drop", "nowhere"], "nowhere"),
        (["--drop", "y"], "y"),
        (["--positive", "maybe"], "maybe"),
        (["--key", "nowhere"], "nowhere"),
        (["--encoding", "klingon"], "klingon"),
        (["--columns", "one,two"], "2 names are given for the 3 columns of table.csv"),
    ],
)
def test_an_option_that_does_not_fit_is_named(penstock: Cli, tmp_path: Path, options: list[str], said: str) -> None:
    """Before anything is made."""
    done = new(penstock, tmp_path, table(), *options)
    assert done.code == 2, done
    assert said in done.error["what"] + done.error["why"]
    assert not (tmp_path / "shop").exists()


def test_a_folder_with_something_in_it_is_never_written_over(penstock: Cli, tmp_path: Path) -> None:
    """Refused; what was in it stays."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/thesis.txt").write_text("mine", encoding="utf-8")
    done = new(penstock, tmp_path, table())
    assert done.code == 2
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["thesis.txt"]


def test_a_data_file_that_is_not_there_is_named(penstock: Cli, tmp_path: Path) -> None:
    """Exit 2."""
    done = penstock(tmp_path, "new", "shop", "--data", "nowhere.csv", "--target", "y")
    assert done.code == 2
    assert "nowhere.csv" in done.error["what"]


@pytest.mark.parametrize(
    ("line", "code"),
    [("[serch]\n", "bad-declaration"), ("[search\n", "bad-declaration")],
)
def test_a_broken_declaration_stops_the_run_before_anything_runs(
    penstock: Cli, project_at: Cli, line: str, code: str
) -> None:
    """The line is named."""
    project = project_at("new")
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + line)
    done = penstock(project, "run")
    assert done.code == 2
    assert done.error["code"] == code


def test_a_recipe_with_an_unknown_column_is_refused_with_its_line(penstock: Cli, project_at: Cli) -> None:
    """And the nearest name."""
    project = project_at("new")
    recipe = project / "recipe.toml"
    recipe.write_text('outputs = [\n    "age",\n    "\'net incme\'",\n]\n', encoding="utf-8")
    done = penstock(project, "run")
    assert done.code == 2
    assert done.error["code"] == "recipe"
    assert "line 3" in done.error["what"] + done.error["why"]
    assert "net income" in done.error["try"] + done.error["why"]


@pytest.mark.parametrize("budget", ["soon", "0s", "-3 trials", "1.5 trials", ""])
def test_a_budget_that_is_none_is_refused(penstock: Cli, project_at: Cli, budget: str) -> None:
    """With examples of one."""
    done = penstock(project_at("new"), "run", "--budget", budget)
    assert done.code == 2, done
    assert "50 trials" in done.error["try"]


def test_a_removed_source_is_named(penstock: Cli, project_at: Cli) -> None:
    """Exit 2 and where it was declared."""
    project = project_at("run")
    next((project / "data/raw").glob("*.csv")).unlink()
    done = penstock(project, "run")
    assert done.code == 2
    assert done.error["code"] == "source"
    assert "penstock.toml" in done.error["why"]
