"""Keyed fingerprints: whether two rows are the same, without keeping the rows.

A fingerprint is made of canonical texts, so that a row has the same one whether it comes from CSV, Parquet or JSON:
the number 1.50, the text " 1.5 " and JSON 1.5 are all "1.5". It works on distinct values, and is safe for these reasons:

- Every (column, text) pair gets 128 pseudo-random bits, BLAKE2b under a secret key. A row's sum of them (two lanes of
  64 bits, modulo 2^64) is a universal hash: two rows that differ in any value collide with a chance of 2^-128.
- A missing value adds nothing; so a column without a value, absent or present, does not change a row's fingerprint.
- The sums alone would show relations between rows (they are linear); one more keyed BLAKE2b over each sum hides them.

Source: Bellare and Micciancio (1997), "A new paradigm for collision-free hashing", on sums of hashes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame, Kind
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.numbers import number_text

SIZE_BYTES = 16
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")


def canonical_text(text: str) -> str:
    """One text for every way of writing the same value.

    >>> [canonical_text(t) for t in (" 1.50", "+1", "1e3", "007", "True", "cafe\\u0301 ")]
    ['1.5', '1', '1000', '7', 'true', 'café']
    """
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return str(int(text))
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number_text(number) if np.isfinite(number) else text
    if not text.isascii():
        return unicodedata.normalize("NFC", text)
    lower = text.lower()
    return lower if lower in ("true", "false") else text


def row_fingerprints(columns: Mapping[str, EncodedColumn], n_rows: int, key: bytes) -> np.ndarray:
    """Fingerprints of raw rows: uint64, shape (n_rows, 2)."""
    sums = np.zeros((n_rows, 2), dtype=np.uint64)
    for name, column in columns.items():
        texts = [None if value is None else canonical_text(value) for value in column.values]
        _add(sums, name, texts, column.codes, _key(key, b"row"))
    return _finish(sums, key)


def frame_fingerprints(frame: Frame, names: Iterable[str], key: bytes) -> np.ndarray:
    """Fingerprints of decoded rows over some columns: uint64, shape (n_rows, 2).

    Two rows that the decoder reads alike have the same one, whatever marks what is missing and however numbers and
    dates are written; so rows that were asked about as JSON are found again in a CSV file.
    """
    sums = np.zeros((frame.n_rows, 2), dtype=np.uint64)
    for name in names:
        texts, codes = encode(frame.columns[name], frame.kinds[name])
        _add(sums, name, texts, codes, _key(key, b"content"))
    return _finish(sums, key)


def value_hashes(column: EncodedColumn, key: bytes) -> np.ndarray:
    """Keyed 64-bit hashes of the canonical values of one column: uint64, shape (n_rows,); 0 where missing."""
    sums = np.zeros((len(column.codes), 2), dtype=np.uint64)
    texts = [None if value is None else canonical_text(value) for value in column.values]
    _add(sums, "", texts, column.codes, _key(key, b"value"))
    return sums[:, 0]


def as_bytes(fingerprints: np.ndarray) -> list[bytes]:
    """The same as one bytes object of 16 for each row."""
    return [bytes(row) for row in np.ascontiguousarray(fingerprints).view(np.dtype("V16")).ravel()]


def positions(fingerprints: np.ndarray, key: bytes, purpose: str) -> np.ndarray:
    """Where each row stands for a purpose ("part:0", "envelope:0"): uint64, shape (n,), uniform, fixed by the row.

    Fingerprints are pseudo-random already; the finaliser of MurmurHash3 under purpose-made keys makes the purposes
    independent of each other.
    """
    first, second = _lanes(blake2b(purpose.encode(), key=_key(key, b"position"), digest_size=SIZE_BYTES).digest())
    mixed = _mix(fingerprints[:, 0] ^ first) + _mix(fingerprints[:, 1] ^ second)
    return _mix(mixed)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


def _key(key: bytes, use: bytes) -> bytes:
    """A key of its own for each use: rows, decoded rows and single values never share a fingerprint."""
    return blake2b(use, key=key[:64], digest_size=64).digest()


def _lanes(digest: bytes) -> np.ndarray:
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _add(sums: np.ndarray, name: str, texts: Sequence[str | None], codes: np.ndarray, key: bytes) -> None:
    prefix = blake2b(name.encode() + b"\0", key=key, digest_size=SIZE_BYTES)
    digests = []
    for text in texts:
        if not text:
            digests.append(bytes(SIZE_BYTES))
            continue
        state = prefix.copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        digests.append(state.digest())
    digests.append(bytes(SIZE_BYTES))  # code -1 picks the last: nothing is added
    table = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)
    sums += table[codes]


def _finish(sums: np.ndarray, key: bytes) -> np.ndarray:
    import pyarrow as pa

    raw = np.ascontiguousarray(sums.astype("<u8"))
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(SIZE_BYTES), len(raw), [None, pa.py_buffer(raw)])
    encoded = array.dictionary_encode()
    last = _key(key, b"finish")
    digests = [blake2b(value, key=last, digest_size=SIZE_BYTES).digest() for value in encoded.dictionary.to_pylist()]
    table = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)
    return table[encoded.indices.to_numpy()] if len(raw) else sums


def encode(array: np.ndarray, kind: Kind) -> tuple[list[str | None], np.ndarray]:
    """Canonical texts of the distinct values of a decoded column, and the number of each row's (-1 missing)."""
    import pyarrow as pa

    encoded = pa.array(array, from_pandas=kind is Kind.NUMERIC).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if kind is Kind.NUMERIC:
        return [number_text(value) for value in values], codes
    if kind is Kind.DATETIME:
        return [None if value == MISSING_TIME else f"@{value}" for value in values], codes
    return [None if value is None else canonical_text(value) for value in values], codes
