"""The graph of the steps: edges, order, and what is no graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import StepError
from penstock.experiments.steps.graph import Graph
from penstock.experiments.steps.patterns import files_of, meets, parts_of, takes
from penstock.project.declaration import parse_declaration


def graph(root: Path, text: str) -> Graph:
    return Graph.of(parse_declaration(text, needs_data=False).step, root)


def step(name: str, run: str = "true", **lists: list[str]) -> str:
    lines = [f"{key} = {value!r}" for key, value in lists.items()]
    return "\n".join(["[[step]]", f'name = "{name}"', f"run = {run!r}", *lines, ""])


CHAIN = (
    step("report", inputs=["model.bin"], outputs=["report.html"])
    + step("train", inputs=["clean.csv"], outputs=["model.bin"])
    + step("prepare", inputs=["raw.csv"], outputs=["clean.csv"])
)


def test_steps_are_put_in_an_order_in_which_they_can_run(tmp_path: Path) -> None:
    """Whatever the order of the file."""
    assert list(graph(tmp_path, CHAIN).nodes) == ["prepare", "train", "report"]


def test_independent_steps_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    """And can run at the same time."""
    text = step("b", outputs=["b"]) + step("a", outputs=["a"]) + step("c", inputs=["a", "b"])
    found = graph(tmp_path, text)
    assert list(found.nodes) == ["b", "a", "c"]
    assert found.layers == [["b", "a"], ["c"]]


def test_only_what_a_named_step_needs_is_chosen(tmp_path: Path) -> None:
    """And an unknown name is refused with the nearest."""
    found = graph(tmp_path, CHAIN + step("other"))
    assert found.chosen(["train"]) == ["prepare", "train"]
    with pytest.raises(StepError, match="there is no step 'trian'") as error:
        found.chosen(["trian"])
    assert error.value.way_out == "write 'train'"


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ("data/clean.csv", "data/clean.csv"),
        ("./data/clean.csv", "data//clean.csv"),
        ("data/clean.csv", "data"),
        ("data/clean.csv", "data/"),
        ("data/clean.csv", "data/*.csv"),
        ("data/clean.csv", "**/*.csv"),
        ("data/clean.csv", "d*/clean.csv"),
        ("models", "models/best.bin"),
        ("models/", "models/**/*.bin"),
        ("models", "*/best.bin"),
        ("v1.2", "v1.2/a.csv"),
    ],
)
def test_an_input_that_another_step_makes_is_an_edge(tmp_path: Path, made: str, taken: str) -> None:
    """By file, by folder, by glob, and however it is written."""
    found = graph(tmp_path, step("take", inputs=[taken]) + step("make", outputs=[made]))
    assert [(e.maker, e.taker) for e in found.edges] == [("make", "take")]


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ("data/clean.csv", "data/clean.csv.gz"),
        ("data/clean.csv", "data/*.parquet"),
        ("data/clean.csv", "*.csv"),
        ("model.bin", "**/*.csv"),
        ("data2/a.csv", "data"),
        ("data/.hidden.csv", "data/*.csv"),
        ("a[1].csv", "a1.csv"),
    ],
)
def test_an_input_that_only_looks_alike_is_none(tmp_path: Path, made: str, taken: str) -> None:
    """No false edges: they would make steps wait, or wait for themselves."""
    (tmp_path / "a[1].csv").touch()
    assert not graph(tmp_path, step("take", inputs=[taken]) + step("make", outputs=[made])).edges


def test_a_file_that_only_the_command_names_is_an_input_too(tmp_path: Path) -> None:
    """Of a script that another step makes, or of the folder."""
    (tmp_path / "train.py").touch()
    text = step("train", run="python train.py --data=out/clean.csv 2>log.txt", outputs=["model.bin"])
    found = graph(tmp_path, text + step("prepare", outputs=["out/clean.csv"]))
    assert found.nodes["train"].after == ("prepare",)
    assert found.nodes["train"].code == ("train.py",)


def test_the_file_of_a_module_is_found(tmp_path: Path) -> None:
    """Of ``python -m pkg.mod``."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").touch()
    assert graph(tmp_path, step("a", run="python -m pkg.mod")).nodes["a"].code == ("pkg/mod.py",)


def test_a_circle_is_spelt_out(tmp_path: Path) -> None:
    """With the files that close it."""
    text = (
        step("a", inputs=["z"], outputs=["x"])
        + step("b", inputs=["x"], outputs=["y"])
        + step("c", inputs=["y"], outputs=["z"])
    )
    with pytest.raises(StepError) as error:
        graph(tmp_path, text)
    assert error.value.what.startswith("steps wait for each other in a circle: ")
    for piece in ("a -> x -> b", "b -> y -> c"):
        assert piece in error.value.why * 2 or piece in error.value.why + error.value.why[4:]


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        ("model.bin", "./model.bin", "model.bin"),
        ("models", "models/a.bin", "models/a.bin"),
        ("models/a.bin", "models/", "models/a.bin"),
    ],
)
def test_two_makers_of_one_file_are_refused(tmp_path: Path, one: str, other: str, named: str) -> None:
    """Both are named, and the file."""
    with pytest.raises(StepError, match="two steps make") as error:
        graph(tmp_path, step("first", outputs=[one]) + step("second", outputs=[other]))
    assert named in error.value.what
    assert "'first' and 'second'" in error.value.what


def test_a_step_that_takes_its_own_output_is_refused(tmp_path: Path) -> None:
    """It would be stale for ever."""
    with pytest.raises(StepError, match="takes what it makes itself"):
        graph(tmp_path, step("a", inputs=["data/*.csv"], outputs=["data/clean.csv"]))


@pytest.mark.parametrize("output", [".", "..", "../..", "*.bin", ".penstock/x", "penstock.toml", " "])
def test_impossible_outputs_are_refused(tmp_path: Path, output: str) -> None:
    """Before anything is run."""
    with pytest.raises(StepError):
        graph(tmp_path, step("a", outputs=[output]))


@pytest.mark.parametrize("name", ["", "-x", "a/b", "steps", "a\nb"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name is typed on the command line."""
    sections = parse_declaration(step("x"), needs_data=False).step
    import msgspec

    with pytest.raises(StepError, match="no name for a step"):
        Graph.of([msgspec.structs.replace(sections[0], name=name)], tmp_path)


def test_two_steps_of_one_name_are_refused(tmp_path: Path) -> None:
    """A step is known by its name."""
    with pytest.raises(StepError, match="two steps have the name 'a'"):
        graph(tmp_path, step("a") + step("a"))


def test_a_folder_leaves_out_what_changes_by_itself(tmp_path: Path) -> None:
    """Compiled files, Git's own and ours; links that lead in a circle end."""
    for name in ("src/a.py", "src/__pycache__/a.pyc", "src/.git/HEAD", "src/deep/b.py", "src/.env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "src" / "deep" / "up").symlink_to(tmp_path / "src")
    assert files_of(tmp_path, "src") == ["src/.env", "src/a.py", "src/deep/b.py"]
    assert files_of(tmp_path, "src/**/*.py") == ["src/a.py", "src/deep/b.py"]
    assert files_of(tmp_path, "./") == ["src/.env", "src/a.py", "src/deep/b.py"]


def test_a_file_named_like_a_glob_is_found_by_its_name(tmp_path: Path) -> None:
    """``[1]`` is a part of many names."""
    (tmp_path / "a[1].csv").touch()
    assert files_of(tmp_path, "a[1].csv") == ["a[1].csv"]
    assert takes(parts_of("**"), parts_of("a/b"))
    assert not takes(parts_of("**/x"), parts_of("a/b"))
    assert meets(parts_of("**"), parts_of("a"), folder=False)
