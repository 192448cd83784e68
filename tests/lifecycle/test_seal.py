"""The seal: until its envelope is opened, a test row is nowhere to be read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
N = 2200


def secret(i: int) -> str:
    """A word that no other row has."""
    return f"zq{i:04d}secret"


@pytest.fixture(scope="module")
def planted(penstock: Cli, rows_of: Cli, write_rows: Cli, set_line: Cli, tmp_path_factory: Any) -> Any:
    """A project that was made, run and deployed (one of two envelopes opened), each row with words of its own.

    Gives the project and which rows are in which part: from fingerprints this cannot be said, so that it is found by
    asking the seal itself, at the end.
    """
    folder = tmp_path_factory.mktemp("planted")
    rows = rows_of(N, seed=70)
    for i, row in enumerate(rows):
        row["note"] = f"{secret(i)} {row['note']}"
        row["net income"] = 1_000_000 + i * 7.25
        del row["id"]
    source = write_rows(folder / "customers.csv", rows, "bought")
    made = penstock(folder, "new", "shop", "--data", str(source), "--target", "bought", "--split", "random")
    assert made.code == 0, made
    project = folder / "shop"
    set_line(project, "search", 'learners = ["linear", "lightgbm"]')
    assert penstock(project, "run", "--budget", "3 trials").code == 0
    deployed = penstock(project, "deploy")
    assert deployed.code == 0, deployed
    assert deployed.body["envelope"]["left"] == 1
    return project, deployed.body["envelope"]["opened"]


def sealed_rows(project: Path, envelope: int) -> tuple[set[int], set[int]]:
    """Numbers of the rows in envelopes that are sealed still, and of all rows that may be seen."""
    from penstock.data.seal import envelopes, open_envelope
    from penstock.data.versions import load_part, load_version
    from penstock.project.project import Project

    opened = Project(project)
    digest = opened.ledger.datasets.head("shop")
    version = load_version(opened.objects, digest)
    sealed: set[int] = set()
    for record in envelopes(opened.ledger, opened.objects, digest):
        if record.index != envelope:
            frame, _ = open_envelope(opened.ledger, opened.objects, digest, record.index, run="test", purpose="test")
            sealed |= {int(text[2:6]) for text in frame["note"]}
    seen = {int(t[2:6]) for part in ("train", "valid") for t in load_part(opened.objects, version, part)[0]["note"]}
    return sealed, seen


def readable(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they say once they are decoded or unpacked."""
    data = path.read_bytes()
    yield data
    if data[:4] == b"PAR1":
        import pyarrow.parquet as pq

        yield repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
    if data[:2] == b"\x1f\x8b":
        import gzip

        yield gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        import pyarrow as pa

        yield pa.input_stream(io.BytesIO(data), compression="zstd").read()


def test_no_sealed_row_is_readable_anywhere_but_in_the_source(planted: Any) -> None:
    """Under .penstock, reports and models: neither its words nor its numbers, in raw or in decoded bytes."""
    project, opened = planted
    contents = [
        part
        for place in (".penstock", "reports", "models")
        for path in (project / place).rglob("*")
        if path.is_file()
        for part in readable(path)
    ]
    contents += [path.read_bytes() for path in project.glob("*.toml")]
    sealed, seen = sealed_rows(project, opened)
    assert len(sealed) > 200
    everything = b"\0".join(contents)
    assert any(secret(i).encode() in everything for i in seen), "the search finds what may be seen"
    assert [i for i in sealed if secret(i).encode() in everything] == []
    assert [i for i in sealed if str(1_000_000 + i * 7.25).encode() in everything] == []


def test_what_is_published_holds_no_text_of_a_row(planted: Any) -> None:
    """Bundle and reports leave the house: words are in them, but no text as a person wrote it."""
    project, _ = planted
    source = next((project / "data/raw").glob("*.csv")).read_text(encoding="utf-8")
    texts = [field for line in source.splitlines()[1:] for field in line.split(",") if field.startswith("zq")]
    assert len(texts) == N
    for place in ("reports", "models"):
        for path in (project / place).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert [text for text in texts if text.encode() in data] == [], path.name
