"""Cuts that follow the content."""

from __future__ import annotations

import hashlib
import io
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.objects.cutting import LARGEST_BYTES, SMALLEST_BYTES, aimed_bytes, pieces


def table(rows: int, *, seed: int) -> list[bytes]:
    make = random.Random(seed)
    return [
        f"{make.randint(18, 80)},{make.choice(['admin', 'blue-collar'])},{make.random():.4f}\n".encode()
        for _ in range(rows)
    ]


def new_bytes(before: bytes, after: bytes) -> int:
    """Bytes of the pieces of `after` that `before` does not have."""
    aimed = aimed_bytes(len(before))
    known = {hashlib.sha256(piece).digest() for piece in pieces(io.BytesIO(before), aimed)}
    cut = pieces(io.BytesIO(after), aimed_bytes(len(after), aimed))
    return sum(len(piece) for piece in cut if hashlib.sha256(piece).digest() not in known)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=3000), repeat=st.integers(1, 200), aimed=st.sampled_from([64, 1024, SMALLEST_BYTES]))
def test_pieces_are_the_file_again_and_of_the_size_that_is_promised(data: bytes, repeat: int, aimed: int) -> None:
    """Also where everything repeats, and where the file ends within a window."""
    whole = data * repeat
    cut = list(pieces(io.BytesIO(whole), aimed))
    assert b"".join(cut) == whole
    assert all(aimed * 7 // 8 <= len(piece) <= aimed * 9 // 8 for piece in cut[:-1])


def test_the_size_of_reads_does_not_matter() -> None:
    """A file that gives its bytes in small parts (a pipe does) is cut like one that gives all at once."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 1000))

    data = b"".join(table(30_000, seed=1))
    assert list(pieces(Slow(data), SMALLEST_BYTES)) == list(pieces(io.BytesIO(data), SMALLEST_BYTES))


def test_appending_a_hundredth_makes_about_a_hundredth_new() -> None:
    """What is behind the last cut comes along."""
    rows = table(400_000, seed=1)
    before = b"".join(rows)
    more = b"".join(table(4_000, seed=2))
    assert new_bytes(before, before + more) < len(more) + 2 * aimed_bytes(len(before))


def test_a_change_anywhere_makes_a_few_pieces_new() -> None:
    """One row that is put in, taken out or changed near the beginning, of 400,000."""
    rows = table(400_000, seed=1)
    before = b"".join(rows)
    for after in ([*rows[:999], b"a row of its own\n", *rows[999:]], rows[:999] + rows[1000:], [*rows[:999], b"x\n"]):
        assert new_bytes(before, b"".join(after)) < 0.05 * len(before)


def test_bytes_without_any_difference_are_one_piece_over_and_over() -> None:
    """Zeros, and a row that repeats: they are cut all the same."""
    for data in (bytes(4_000_000), b"0,0,0,1\n" * 500_000):
        cut = list(pieces(io.BytesIO(data), SMALLEST_BYTES))
        assert len({bytes(piece) for piece in cut}) <= 3


def test_the_size_aimed_at_stays_while_it_fits() -> None:
    """A table that grows keeps its cuts, until it is of another order."""
    aimed = aimed_bytes(100 * 2**20)
    assert aimed_bytes(150 * 2**20, aimed) == aimed
    assert aimed_bytes(2**31, aimed) == LARGEST_BYTES
    assert aimed_bytes(1) == SMALLEST_BYTES
