"""Texts from a folder to answers about a folder: new, run, predict, and what is new joins."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data")) / "sms_spam"


def write(folder: Path, texts: Iterable[tuple[str, str]], first: int = 0) -> None:
    """A file each, below the folder of its class."""
    for number, (label, text) in enumerate(texts, first):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number:05}.txt").write_text(text, encoding="utf-8")


def trained(penstock: Cli, set_line: Cli, folder: Path) -> Path:
    """A project of the texts of `mail` with one model."""
    made = penstock(folder, "new", "sorter", "--data", "mail", "--target", "label")
    assert made.code == 0, made
    project = folder / "sorter"
    penstock(project, "data", "privacy", "--accept")
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    done = penstock(project, "run", "--budget", "2 trials")
    assert done.code == 0, done
    return project


def answers(penstock: Cli, project: Path, asked: Path, keep: str) -> list[dict[str, str]]:
    """What `predict` says of a folder of texts, in the order of their files."""
    done = penstock(project, "predict", "--input", asked, "--output", project / "out.csv", "--keep", keep)
    assert done.code == 0, done
    with (project / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_texts_is_learned_from_and_another_answered(penstock: Cli, set_line: Cli, tmp_path: Path) -> None:
    """Texts of several scripts with line ends and quotes in them; a text that comes later is one row more."""
    dice = np.random.default_rng(0)
    words = {"praise": ["good", "很好", "ممتاز", "great 😀"], "blame": ["bad", "差", "سيئ", "awful 😡"]}

    def some(count: int) -> list[tuple[str, str]]:
        labels = dice.choice(["praise", "blame"], count)
        filler = dice.choice(["the", 'a "thing",\nand', "it is", "приём"], (count, 4))
        return [
            (k, f"{' '.join(f[:2])} {dice.choice(words[k])} {' '.join(f[2:])}")
            for k, f in zip(labels, filler, strict=True)
        ]

    write(tmp_path / "mail", some(400))
    project = trained(penstock, set_line, tmp_path)
    asked = some(30)
    write(tmp_path / "asked", asked)
    found = answers(penstock, project, tmp_path / "asked", "text,label")
    assert sorted(row["text"] for row in found) == sorted(text for _, text in asked)
    assert sum(row["prediction"] == row["label"] for row in found) >= 27
    write(tmp_path / "mail", [("praise", "good it is, later")], first=9000)
    again = penstock(project, "run", "--budget", "1 trials")
    assert again.code == 0, again
    (newest, *_) = penstock(project, "data", "log").body["versions"]
    assert newest["details"]["diff"]["rows"]["added"] == 1


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(
    not DATA.is_dir(), reason="the SMS collection is not here: set PENSTOCK_DATA to the folder of the data sets"
)
def test_spam_is_told_from_a_folder_of_messages(penstock: Cli, set_line: Cli, tmp_path: Path) -> None:
    """2,000 messages to learn from and 500 others; the telephone numbers in them are masked before anything is stored."""
    lines = (DATA / "SMSSpamCollection.tsv").read_text(encoding="utf-8").splitlines()[:2500]
    rows = [(label, text) for label, _, text in (line.partition("\t") for line in lines)]
    write(tmp_path / "mail", rows[:2000])
    write(tmp_path / "asked", rows[2000:])
    project = trained(penstock, set_line, tmp_path)
    found = answers(penstock, project, tmp_path / "asked", "label")
    assert len(found) == 500
    assert sum(row["prediction"] == row["label"] for row in found) >= 480
