"""Sentence models in a project: kept by digest, packaged with the bundle, served without the folder that they came from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.testing.tiny_sentences import bert_folder

pytest.importorskip("tokenizers")

Cli = Callable[..., Any]

RECIPE = 'outputs = ["embed(note, model=\'models/tiny\')", "amount"]\n'


def notes(path: Path, rows: int = 240) -> None:
    """Prizes are spam."""
    draw = np.random.default_rng(4)
    words = [("free", "prize", "win"), ("home", "we", "call")]
    lines = ["note,amount,y"]
    for row in range(rows):
        kind = row % 2
        text = " ".join(draw.choice(words[kind], 1 + row % 7))
        lines.append(f"{text},{row % 9},{'spam' if kind == 0 else 'ham'}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def made(penstock_new: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return penstock_new(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def penstock_new() -> Callable[[Path], Path]:
    def new(base: Path) -> Path:
        from penstock.lifecycle.new import new_project

        notes(base / "notes.csv")
        new_project(base / "p", data=base / "notes.csv", target="y")
        declared = base / "p" / "penstock.toml"
        text = declared.read_text("utf-8")
        assert "[data]" in text
        declared.write_text(
            text.replace("[data]", '[data]\nkinds = { note = "text", amount = "numeric" }', 1)
            if "kinds" not in text
            else text
        )
        bert_folder(base / "p" / "models" / "tiny")
        (base / "p" / "recipe.toml").write_text(RECIPE)
        return base / "p"

    return new


def test_a_recipe_with_a_model_is_fitted_applied_and_its_size_told(penstock: Cli, made: Path) -> None:
    """What is applied is what the graph of the fit makes."""
    assert penstock(made, "recipe", "check").body["steps"] == {"embed": 1}
    fitted = penstock(made, "recipe", "fit").body
    assert fitted["width"] == 17
    assert fitted["size_bytes"] > 20_000
    assert penstock(made, "recipe", "fit").body["known"]
    applied = penstock(made, "recipe", "apply", str(made.parent / "notes.csv"), "--output", str(made / "f.csv")).body
    assert (applied["rows"], applied["width"]) == (240, 17)


def test_the_bundle_answers_without_the_folder_and_rows_as_batches(penstock: Cli, made: Path) -> None:
    """In a process that knows nothing of recipes; tokenizers is the one package more."""
    from penstock.bundle.runtime import Bundle

    ran = penstock(made, "run", "--budget", "1 trials")
    assert ran.code == 0, ran.out
    again = penstock(made, "run", "--budget", "1 trials")
    assert all(step["status"] == "known" for step in again.body["steps"])
    folder = made / "models" / "v1"
    shutil.rmtree(made / "models" / "tiny")
    bundle = Bundle.load(folder)
    rows = [
        {"note": "free prize", "amount": 1},
        {"note": "we call home " * 9, "amount": 2},
        {"note": None, "amount": 3},
    ]
    whole = bundle.predict(rows)
    assert [bundle.predict([row])[0] for row in rows] == whole
    code = (
        "import sys, json; from penstock.bundle.runtime import Bundle\n"
        f"bundle = Bundle.load({str(folder)!r})\n"
        f"print(json.dumps(bundle.predict(json.loads({json.dumps(json.dumps(rows))}))))\n"
        "print([m for m in ('spox', 'onnx', 'penstock.features') if m in sys.modules])\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(said[0]) == json.loads(json.dumps(whole))
    assert said[1] == "[]"
    bert_folder(made / "models" / "tiny")


def test_it_is_shipped_with_its_model_and_tokeniser_and_refused_by_the_browser(
    penstock: Cli, made: Path, tmp_path: Path
) -> None:
    """The wheel answers as the bundle does where Penstock cannot be imported, and requires tokenizers; so does the bare graph."""
    from penstock.bundle.runtime import Bundle

    assert penstock(made, "run", "--budget", "1 trials").code == 0
    bundle = Bundle.load(made / "models" / "v1")
    rows = [
        {"note": "free prize", "amount": 1},
        {"note": "we call home " * 9, "amount": 2},
        {"note": None, "amount": 3},
    ]
    wheel = penstock(made, "export", "wheel", str(tmp_path / "wheel"))
    assert wheel.code == 0, wheel.out
    (file,) = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(file) as inside:
        inside.extractall(tmp_path / "site")
    (metadata,) = (tmp_path / "site").glob("*.dist-info/METADATA")
    assert "Requires-Dist: tokenizers" in metadata.read_text("utf-8")
    (package,) = (p.parent.name for p in (tmp_path / "site").glob("*/__init__.py"))
    code = (
        "import sys, json; sys.modules['penstock'] = None\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r}); import {package} as model; model.self_test()\n"
        "print(json.dumps(model.predict(json.load(sys.stdin))))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(rows), capture_output=True, text=True, check=False, cwd="/"
    )
    assert said.returncode == 0, said.stderr
    expected = [
        {name: value for name, value in answer.items() if name != "withheld"} for answer in bundle.predict(rows)
    ]
    assert json.loads(said.stdout) == json.loads(json.dumps(expected))
    assert penstock(made, "export", "onnx", str(tmp_path / "onnx")).code == 0
    alone = subprocess.run(
        [sys.executable, str(tmp_path / "onnx" / "predict.py")], capture_output=True, text=True, check=False, cwd="/"
    )
    assert "decision: as expected" in alone.stdout, alone.stdout + alone.stderr
    refused = penstock(made, "export", "browser", str(tmp_path / "page"))
    assert refused.code == 2
    assert "embed" in refused.error["what"] + refused.error["why"]
    assert not (tmp_path / "page").exists()


def test_a_changed_model_is_another_recipe_and_a_kept_one_reproduces(penstock: Cli, made: Path) -> None:
    """What a run had is in the store, whatever the folder holds now."""
    first = penstock(made, "recipe", "fit").body
    bert_folder(made / "models" / "tiny", seed=5)
    second = penstock(made, "recipe", "fit").body
    assert not second["known"]
    assert second["run"] != first["run"]
    told = penstock(made, "reproduce", first["run"])
    assert told.code == 0, told.out


def test_a_model_that_is_not_there_is_told_with_its_place(penstock: Cli, made: Path) -> None:
    (made / "other.toml").write_text('outputs = ["amount",\n  "embed(note, model=\'models/none\')"]\n')
    refused = penstock(made, "recipe", "check", "other.toml")
    assert refused.code == 2
    assert "other.toml, line 2, column 22" in refused.error["what"]
