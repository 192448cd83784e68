"""What a command line asks to run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from penstock.errors import ScriptError
from penstock.experiments.capture.target import Target, parse_target


def parse(folder: Path, *words: str, **how: object) -> tuple[Target, list[str]]:
    return parse_target(words, cwd=folder, root=folder, **how)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("x = 1\n")
    (tmp_path / "a=b.py").write_text("")
    (tmp_path / "report.ipynb").write_text("{}")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("raise RuntimeError('never imported')\n")
    (tmp_path / "pkg" / "train.py").write_text("")
    (tmp_path / "run.sh").write_text("echo hi\n")
    (tmp_path / "tool").write_text("#!/bin/sh\necho hi\n")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "pytool").write_text("#!/usr/bin/env python3\nprint(1)\n")
    (tmp_path / "data.csv").write_text("a\n")
    (tmp_path / "Modell größer.py").write_text("")
    return tmp_path


def test_a_file_is_run_by_what_it_is(folder: Path) -> None:
    """Python, a notebook, an executable, a script of another program."""
    assert parse(folder, "train.py", "lr=0.1") == (Target("script", "train.py", folder / "train.py"), ["lr=0.1"])
    assert parse(folder, "report.ipynb")[0].kind == "notebook"
    assert parse(folder, "pytool")[0].kind == "script"
    assert parse(folder, "./tool")[0] == Target("command", "tool", folder / "tool", argv=(str(folder / "tool"),))
    assert parse(folder, "run.sh")[0].argv == ("sh", str(folder / "run.sh"))
    assert parse(folder, "a=b.py", "c=1")[0].name == "a=b.py"
    assert parse(folder, "Modell größer.py")[0].name == "Modell größer.py"


def test_a_file_is_named_from_the_root_wherever_one_is(folder: Path) -> None:
    """The runs of one script stay together."""
    target, _ = parse_target(["train.py"], cwd=folder / "pkg", root=folder)
    assert target.name == "pkg/train.py"
    outside, _ = parse_target(["../train.py"], cwd=folder / "pkg", root=folder / "pkg")
    assert outside.name == str(folder / "train.py")


def test_a_module_is_found_without_importing_anything(folder: Path) -> None:
    """The `__init__` above it is not run."""
    target, words = parse(folder, "lr=1", module="pkg.train")
    assert (target.kind, target.name, target.module, words) == ("module", "pkg.train", "pkg.train", ["lr=1"])
    assert target.path == folder / "pkg" / "train.py"
    assert parse(folder, module="json.tool")[0].path is not None
    assert parse(folder, module="elsewhere", python="/another/python")[0].path is None


def test_what_stands_behind_the_dashes_is_a_command(folder: Path) -> None:
    """By its program's name."""
    target, words = parse(folder, "lr=1", command=["sh", "-c", "echo"])
    assert target == Target("command", "sh", None, argv=("sh", "-c", "echo"))
    assert words == ["lr=1"]
    assert parse(folder, command=["./tool", "x"])[0] == Target(
        "command", "tool", folder / "tool", argv=(str(folder / "tool"), "x")
    )


@pytest.mark.parametrize(
    ("words", "how", "what", "way_out"),
    [
        (["trian.py"], {}, "no script 'trian.py'", "did you mean train.py?"),
        (["pkg/trian.py"], {}, "no script 'pkg/trian.py'", "did you mean pkg/train.py?"),
        (["nowhere/x.py"], {}, "no script", "check the name"),
        (["lr=0.1"], {}, "no script is named", "penstock run SCRIPT lr=0.1"),
        ([""], {}, "no script is named", "penstock run train.py"),
        ([], {}, "nothing is named", "penstock run train.py"),
        (["pkg"], {}, "pkg is a folder", "-m pkg"),
        (["data.csv"], {}, "data.csv cannot be run", "PROGRAM data.csv"),
        (["sh"], {}, "no script 'sh'", "penstock run -- sh"),
        (["a\0.py"], {}, "no script", "did you mean"),
        ([], {"module": "pkg.trian"}, "no module 'pkg.trian'", "did you mean -m pkg.train?"),
        ([], {"module": "train.py"}, "no module 'train.py'", "`penstock run train.py`"),
        ([], {"module": "pkg"}, "pkg cannot be run", "-m pkg.train"),
        ([], {"module": ""}, "no module ''", "check the name"),
        ([], {"command": ["pyhton3"]}, "no program 'pyhton3'", "python3"),
        ([], {"command": ["./data.csv"]}, "./data.csv is not executable", "chmod +x"),
        ([], {"module": "a", "command": ["b"]}, "both a module and a command", "keep one"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_nearest(
    folder: Path, words: list[str], how: dict[str, object], what: str, way_out: str
) -> None:
    """Files, folders, modules and programs."""
    with pytest.raises(ScriptError) as refused:
        parse(folder, *words, **how)
    assert what in refused.value.what
    assert way_out in refused.value.way_out


@pytest.mark.parametrize(
    ("what", "shown"), [({"module": "pkg.train"}, "-m pkg.train"), ({"command": ["echo", "a"]}, "-- echo a")]
)
def test_a_file_beside_a_module_or_a_command_is_refused_as_one_too_many(
    folder: Path, what: dict[str, object], shown: str
) -> None:
    """And not taken for a flag that is written wrongly."""
    for words in (["train.py"], ["lr=1", "train.py"], ["gone.ipynb"]):
        with pytest.raises(ScriptError, match="both a file and a") as told:
            parse(folder, *words, **what)
        assert told.value.why == f"{words[-1]} and {shown} each say what to run"
        assert f"`penstock run {words[-1]} ...` or `penstock run {shown}`" in told.value.way_out
    _, rest = parse(folder, "config=other.py", "quick", **what)
    assert rest == ["config=other.py", "quick"]


def test_a_link_to_nothing_is_said_to_be_one(folder: Path) -> None:
    """And is never what was meant by another name."""
    (folder / "dangling.py").symlink_to("gone.py")
    (folder / "loop.py").symlink_to("loop.py")
    for word in ("dangling.py", "loop.py"):
        with pytest.raises(ScriptError, match=f"{word} is a broken link"):
            parse(folder, word)
    with pytest.raises(ScriptError) as refused:
        parse(folder, "danglin.py")
    assert "dangling.py" not in refused.value.way_out


def test_a_target_comes_back_from_its_record_elsewhere(folder: Path, tmp_path: Path) -> None:
    """Another folder may be its root then."""
    other = tmp_path / "other"
    for target in (parse(folder, "train.py")[0], parse(folder, "run.sh")[0], parse(folder, module="pkg.train")[0]):
        body = target.to_json(folder)
        assert str(folder) not in str(body)
        assert Target.from_json(body, folder) == target
        assert str(other) in str(Target.from_json(body, other).path)
    command = parse(folder, command=[sys.executable, "x"])[0]
    assert Target.from_json(command.to_json(folder), other).argv == (sys.executable, "x")


def test_a_link_keeps_its_name(folder: Path) -> None:
    """As with `python link.py`."""
    os.symlink(folder / "train.py", folder / "link.py")
    assert parse(folder, "link.py")[0].name == "link.py"
