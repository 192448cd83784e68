"""`penstock diff`: flags, source, environment, data, metrics, files."""

from __future__ import annotations

from typing import Any


def two(bench: Any) -> tuple[str, str]:
    first = bench.add(
        "first",
        {"lr": 0.1, "opt": "adam", "deep": 1},
        [{"step": 0, "loss": 0.5}],
        source={"train.py": "a\nb\nc\n", "gone.py": "x\n", "same.py": "s\n"},
        files={"model.txt": "1", "log.txt": "same"},
        inputs={"files": {"data.csv": "sha256:" + "1" * 64}},
    )
    second = bench.add(
        "second",
        {"lr": 0.2, "opt": "adam", "deep": True},
        [{"step": 0, "loss": 0.75}],
        source={"train.py": "a\nB\nc\n", "new.py": "y\n", "same.py": "s\n"},
        files={"model.txt": "2", "log.txt": "same"},
        inputs={"files": {"data.csv": "sha256:" + "2" * 64}},
        environment={"python": "3.11.7", "packages": {"numpy": "2.1.0", "torch": "2.5"}},
    )
    return first, second


def test_every_section_names_what_differs(bench: Any, cli: Any) -> None:
    """And nothing that is the same. An integer is no boolean."""
    body = cli("diff", *two(bench)).body
    assert {c["name"]: (c["first"], c["second"]) for c in body["flags"]} == {"lr": (0.1, 0.2), "deep": (1, True)}
    assert [c["name"] for c in body["source"]] == ["gone.py", "new.py", "train.py"]
    assert body["source"][2]["text"].splitlines()[-4:] == [" a", "-b", "+B", " c"]
    assert [c["name"] for c in body["environment"]] == ["packages.numpy", "packages.torch"]
    assert [c["name"] for c in body["data"]] == ["files.data.csv"]
    assert [(c["name"], c["first"], c["second"]) for c in body["metrics"]] == [("loss", 0.5, 0.75)]
    assert [c["name"] for c in body["files"]] == ["model.txt"]


def test_the_text_reads_well(bench: Any, said: Any) -> None:
    """Numbers with how far they moved; the source as a difference of files."""
    text = said("diff", *two(bench))
    assert "lr    0.1  ->  0.2   (+0.1)" in text
    assert "loss  0.5  ->  0.75  (+0.25)" in text
    assert "--- first/train.py\n+++ second/train.py\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c" in text
    assert "--- /dev/null\n+++ second/new.py" in text
    assert "packages.torch  -      ->  2.5" in text


def test_a_run_does_not_differ_from_itself(bench: Any, cli: Any, said: Any) -> None:
    """NaN is NaN."""
    run = bench.add("x", {"lr": float("nan")}, [{"step": 0, "loss": float("nan")}], source={"a.py": "1"})
    body = cli("diff", run, run).body
    assert all(body[section] == [] for section in ("flags", "source", "environment", "data", "metrics", "files"))
    assert "metrics: the same" in said("diff", run, run)


def test_of_surroundings_what_both_have_is_compared(bench: Any, cli: Any, said: Any) -> None:
    """A batch records little of the machine: that is said, and is no difference."""
    batch = bench.add("batch", {}, operation="batch", environment={"python": "3.11.7"})
    trial = bench.add("trial", {}, environment={"python": "3.11.8", "cpus": 2, "packages": {"numpy": "2.0.0"}})
    body = cli("diff", batch, trial).body
    assert [c["name"] for c in body["environment"]] == ["python"]
    assert body["said"]["environment"] == f"not recorded: cpus, packages of {batch}"
    assert f"environment: (not recorded: cpus, packages of {batch})" in said("diff", batch, trial)


def test_one_section_alone(bench: Any, cli: Any) -> None:
    """`--only`, which may be given again."""
    body = cli("diff", *two(bench), "--only", "flags", "--only", "metrics").body
    assert set(body) - {"format", "warnings"} == {"first", "second", "said", "flags", "metrics"}


def test_runs_without_a_snapshot_say_so(bench: Any, said: Any) -> None:
    """Commits still tell."""
    first, second = bench.add("x", {}), bench.add("y", {})
    assert "no snapshot of the files of" in said("diff", first, second)


def test_a_file_that_is_no_text_is_told_by_its_digest(bench: Any, cli: Any) -> None:
    """No lines of bytes."""
    first = bench.add("x", {}, source={"a.bin": "\0\1"})
    second = bench.add("y", {}, source={"a.bin": "\0\2"})
    (change,) = cli("diff", first, second, "--only", "source").body["source"]
    assert change["name"] == "a.bin"
    assert "text" not in change
