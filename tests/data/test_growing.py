"""A source that grows or is corrected stores about what is new."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from penstock.data.changes import diff
from penstock.data.chunks import CHUNK_ROWS
from penstock.data.seal import unsealed
from penstock.data.split import PARTS
from penstock.data.versions import load_memory, load_part, stored_objects

if TYPE_CHECKING:
    from tests.data.conftest import Stores

ROWS = 16_000


def stored_bytes(stores: Stores, digest: str, without: set[str]) -> int:
    """Bytes of the objects of a version that are not among others."""
    return sum(stores.objects.stat(d).size_bytes for d in stored_objects(stores.objects, digest) - without)


@pytest.fixture(scope="module")
def text() -> str:
    dice = np.random.default_rng(0)
    numbers = dice.normal(size=(ROWS + 160, 4))
    lines = [f"{i},{','.join(f'{v:.6f}' for v in row)},{i % 3 == 0}" for i, row in enumerate(numbers)]
    return "id,a,b,c,d,y\n" + "\n".join(lines) + "\n"


def head(text: str, rows: int) -> str:
    return "\n".join(text.split("\n", rows + 1)[: rows + 1]) + "\n"


@pytest.mark.parametrize(
    ("change", "share"),
    [("appended", 0.035), ("one changed", 1.1), ("sorted", 1.1)],
)
def test_what_a_change_of_the_source_costs(stores: Stores, text: str, change: str, share: float) -> None:
    """1 % more rows cost little more than 1 %; one row that changed, its chunk; another order, all of it."""
    first = stores.ingest(head(text, ROWS))
    before = stored_objects(stores.objects, first.version.digest)
    whole = stored_bytes(stores, first.version.digest, set())
    lines = head(text, ROWS).split("\n")
    changed = {
        "appended": text,
        "one changed": "\n".join([*lines[:100], lines[100].replace(",", ",9", 2), *lines[101:]]),
        "sorted": "\n".join([lines[0], *sorted(lines[1:-1]), ""]),
    }[change]
    second = stores.ingest(changed)
    assert second.version.digest != first.version.digest
    assert stored_bytes(stores, second.version.digest, before) <= share * whole
    assert second.version.parent == first.version.digest
    again = stores.ingest(changed, again=True)
    assert again.version.digest == second.version.digest, "made again, it is cut as before"
    frame, _ = load_part(stores.objects, second.version, "train")
    assert frame.n_rows == second.rows["train"]
    assert load_memory(stores.objects, second.version).count.sum() == changed.count("\n") - 1
    assert ROWS < CHUNK_ROWS, "so it is not the full chunks that are shared, but the last one"


def test_few_new_rows_of_many_columns_are_packed_and_stay_as_they_are(stores: Stores) -> None:
    """What Parquet says of 40 columns is not stored for each chunk of a few rows; the next version names the same chunks again."""
    dice = np.random.default_rng(1)
    columns = [f"c{i}" for i in range(40)]
    lines = [",".join(str(v) for v in [*row, i % 2]) for i, row in enumerate(dice.integers(0, 3, (3000, 40)))]
    texts = [f"{','.join([*columns, 'y'])}\n" + "\n".join(lines[:n]) + "\n" for n in (2940, 2970, 3000)]
    first, second, third = (stores.ingest(text).version for text in texts)
    assert not any(chunk.get("packed") for part in PARTS[:2] for chunk in first.manifest["parts"][part])
    assert (first.manifest["format"], second.manifest["format"], third.manifest["format"]) == (1, 5, 5)
    before, known = stored_objects(stores.objects, first.digest), stored_objects(stores.objects, second.digest)
    assert stored_bytes(stores, second.digest, before) < 30_000, "60 kB of it were footers"
    for part in PARTS[:2]:
        assert second.manifest["parts"][part][:-1] == first.manifest["parts"][part]
        assert third.manifest["parts"][part][:-1] == second.manifest["parts"][part]
        assert third.manifest["parts"][part][-1]["packed"]
    for earlier, later in ((first, second), (second, third)):
        of = {envelope.index: envelope for envelope in later.envelopes}
        assert all(of[e.index].objects[: len(e.objects)] == e.objects for e in earlier.envelopes)
    assert len(stored_objects(stores.objects, third.digest) & known) >= 6
    assert stores.ingest(texts[2], again=True).version.digest == third.digest
    frame, _ = load_part(stores.objects, third, "train")
    sealed = sum(unsealed(stores.ledger, stores.objects, third, e)[0].n_rows for e in third.envelopes)
    assert frame.n_rows + third.rows["valid"] + sealed == 3000


def test_labelled_rows_that_join_leave_the_chunks_as_they_are(stores: Stores, customers: Callable[..., str]) -> None:
    """Also what is remembered of the rows before them."""
    from penstock.data.append import append_rows

    first = stores.ingest(customers(3000)).version
    before = stored_objects(stores.objects, first.digest)
    frame, y = load_part(stores.objects, stores.ingest(customers(3100)).version, "train")
    done = append_rows(stores.ledger, stores.objects, first.digest, frame.take(slice(0, 20)), y[:20])
    assert done.version.manifest["parts"]["train"][0] == first.manifest["parts"]["train"][0]
    assert len(stored_objects(stores.objects, done.version.digest) & before) >= 3


def test_rows_that_are_there_once_more_add_to_what_was_counted(stores: Stores) -> None:
    """A table that repeats itself: what is remembered stays where it is, and is the same as if it had been written anew."""
    dice = np.random.default_rng(0)
    lines = [f"{i},{a:.6f},{i % 3 == 0}" for i, a in enumerate(dice.normal(size=8000))]
    more = [lines[i] for i in dice.integers(0, len(lines), 80)] + [f"{9000 + i},0.5,True" for i in range(20)]
    texts = ["\n".join(["id,a,y", *rows]) + "\n" for rows in (lines, lines + more, lines + more * 2, lines[50:] + more)]
    before: set[str] = set()
    versions = []
    for number, text in enumerate(texts):
        version = stores.ingest(text).version
        needed = stored_objects(stores.objects, version.digest)
        if number in (1, 2):
            assert version.manifest["format"] == 5  # as the few new rows are packed
            assert version.manifest["fingerprints"][-1]["adds"]
            new = [c["object"] for c in version.manifest["fingerprints"] if c["object"] not in before]
            assert sum(stores.objects.stat(digest).size_bytes for digest in new) < 30_000
        if number in (1, 2):
            sealed = [(e, f) for e, f in zip(versions[-1].envelopes, version.envelopes, strict=True) if e != f]
            assert sealed, "a row that is repeated joins the envelope that holds it"
            for earlier, later in sealed:
                assert later.objects[: len(earlier.objects)] == earlier.objects, "what was sealed stays as it is"
                assert later.ends == (*earlier.ends, earlier.rows)
            for envelope in version.envelopes:
                rows_inside, _ = unsealed(stores.ledger, stores.objects, version, envelope)
                assert rows_inside.n_rows == envelope.rows
        memory = load_memory(stores.objects, version)
        assert memory.count.sum() == text.count("\n") - 1
        assert len(set(memory.keys().to_pylist())) == len(memory.part), "each entry once"
        present = (memory.count > 0) & (memory.part >= 0)
        rows = {name: int(memory.count[present & (memory.part == part)].sum()) for part, name in enumerate(PARTS)}
        assert rows == {name: version.rows[name] for name in PARTS}
        before |= needed
        versions.append(version)
    for text, version in zip(texts[-2:], versions[-2:], strict=True):
        assert stores.ingest(text, again=version is versions[-1]).version is not None
    assert stores.ingest(texts[-1], again=True).version.digest == versions[-1].digest
    found = diff(stores.objects, versions[0], versions[1])
    assert (found.added, found.removed, found.changed) == (100, 0, 0)
