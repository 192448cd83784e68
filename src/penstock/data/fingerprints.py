"""Hashes of rows, which deal them, and keyed fingerprints, which know them again without keeping them.

Both are made of canonical texts, so that a row has the same ones whether it comes from CSV, Parquet or JSON: the number
1.50, the text " 1.5 " and JSON 1.5 are all "1.5". They work on distinct values:

- Every (column, text) pair gets 128 pseudo-random bits, BLAKE2b without a key. A row's *hash* is their sum (two lanes of
  64 bits, modulo 2^64): two rows that differ in any value collide with a chance of 2^-128, as long as nobody made them
  to collide. It is the same on every machine, so that equal rows are dealt equally everywhere. It is never stored.
- A missing value adds nothing; so a column without a value, absent or present, does not change a row's hash.
- A row's *fingerprint* is BLAKE2b of its hash under the ledger's secret key. Without the key nothing can be looked up in
  what is stored, and relations between rows (sums are linear) do not show.

Source: Bellare and Micciancio (1997), "A new paradigm for collision-free hashing", on sums of hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from penstock.bundle.decoder import EncodedColumn, Frame, Kind
from penstock.bundle.kinds import MISSING_TIME
from penstock.data.canonical import canonical_bytes, canonical_text, key_text, number_bytes

SIZE_BYTES = 16
_ROW, _CONTENT = (blake2b(person=use, digest_size=SIZE_BYTES) for use in (b"row", b"content"))  # never the same hash
_AT_ONCE = 1 << 17  # rows; Python's objects for them are gone before the next ones come


def row_hashes(columns: Mapping[str, EncodedColumn], n_rows: int) -> np.ndarray:
    """Hashes of raw rows: uint64, shape (n_rows, 2)."""
    sums = np.zeros((n_rows, 2), dtype=np.uint64)
    for name, column in columns.items():
        sums += raw_lanes(name, column)[column.codes]
    return sums


def raw_lanes(name: str, column: EncodedColumn) -> np.ndarray:
    """What each distinct value of a raw column adds to a row's hash: uint64, shape (values + 1, 2); the last row, which code -1
    picks, adds nothing."""
    return _lanes_of(name, canonical_bytes(column.values), _ROW)


def name_hashes(use: str, column: EncodedColumn) -> np.ndarray:
    """Hashes of what names rows or groups: uint64, shape (n_rows, 2); zeros where there is nothing. See `key_text` for what is one name."""
    texts = [None if value is None else _bytes(key_text(value)) for value in column.values]
    return _lanes_of(use, texts, _ROW)[column.codes]


def frame_hashes(frame: Frame, names: Iterable[str]) -> np.ndarray:
    """Hashes of decoded rows over some columns: uint64, shape (n_rows, 2).

    Two rows that the decoder reads alike have the same one, whatever marks what is missing and however numbers and
    dates are written; so rows that were asked about as JSON are found again in a CSV file.
    """
    sums = np.zeros((frame.n_rows, 2), dtype=np.uint64)
    for name in names:
        texts, codes = encode(frame.columns[name], frame.kinds[name])
        sums += _lanes_of(name, texts, _CONTENT)[codes]
    return sums


def text_lanes(name: str, texts: Sequence[bytes | None]) -> np.ndarray:
    """The same of canonical texts as `encode` makes them, shape (m + 1, 2); the last row, which code -1 picks, adds nothing."""
    return _lanes_of(name, texts, _CONTENT)


def decoded_lanes(name: str, values: np.ndarray, kind: Kind) -> np.ndarray:
    """What each of some decoded values adds to a row's hash of `frame_hashes`: uint64, shape (m, 2)."""
    texts = number_bytes(values) if kind is Kind.NUMERIC else _texts(values.tolist(), kind)
    return _lanes_of(name, texts, _CONTENT)[:-1]


def fingerprints(hashes: np.ndarray, key: bytes) -> np.ndarray:
    """Keyed fingerprints of hashes, of the same shape: what may be stored."""
    import pyarrow as pa

    copy = blake2b(key=key_for(key, b"fingerprint"), digest_size=SIZE_BYTES).copy
    found = np.empty(hashes.shape, dtype=np.uint64)
    for start in range(0, len(hashes), _AT_ONCE):
        raw = np.ascontiguousarray(hashes[start : start + _AT_ONCE].astype("<u8"))
        array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(SIZE_BYTES), len(raw), [None, pa.py_buffer(raw)])
        encoded = array.dictionary_encode()
        digests = []
        for value in encoded.dictionary.to_pylist():
            state = copy()
            state.update(value)
            digests.append(state.digest())
        table = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)
        found[start : start + _AT_ONCE] = table[encoded.indices.to_numpy()]
    return found


def frame_fingerprints(frame: Frame, names: Iterable[str], key: bytes) -> np.ndarray:
    """Fingerprints of decoded rows over some columns."""
    return fingerprints(frame_hashes(frame, names), key)


def value_hashes(column: EncodedColumn, key: bytes) -> np.ndarray:
    """Keyed 64-bit hashes of the canonical values of one column: uint64, shape (n_rows,); 0 where missing."""
    lanes = _lanes_of("", canonical_bytes(column.values), blake2b(key=key_for(key, b"value"), digest_size=SIZE_BYTES))
    return np.ascontiguousarray(lanes[:, 0])[column.codes]


def positions(hashes: np.ndarray, purpose: str) -> np.ndarray:
    """Where each row stands for a purpose ("part:0", "envelope:0"): uint64, shape (n,), uniform, fixed by the row alone.

    Hashes are pseudo-random already; the finaliser of MurmurHash3 under constants of the purpose makes the purposes
    independent of each other.
    """
    first, second = _lanes(blake2b(purpose.encode(), person=b"position", digest_size=SIZE_BYTES).digest())
    return mix(mix(hashes[:, 0] ^ first) + mix(hashes[:, 1] ^ second))


def mix(x: np.ndarray) -> np.ndarray:
    """Bits as if drawn by chance, the same for the same: uint64, of the same shape (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


def key_for(key: bytes, use: bytes) -> bytes:
    """A key of its own for each use, 64 bytes: rows and single values never share a fingerprint."""
    return blake2b(use, key=key[:64], digest_size=64).digest()


def _lanes(digest: bytes) -> np.ndarray:
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _lanes_of(name: str, texts: Sequence[bytes | None], use: blake2b) -> np.ndarray:
    prefix = use.copy()
    prefix.update(name.encode() + b"\0")
    copy, digests, nothing = prefix.copy, [], bytes(SIZE_BYTES)
    for text in texts:
        if not text:
            digests.append(nothing)
            continue
        state = copy()
        state.update(text)
        digests.append(state.digest())
    digests.append(nothing)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)


def encode(array: np.ndarray, kind: Kind) -> tuple[list[bytes | None], np.ndarray]:
    """Canonical texts of the distinct values of a decoded column, and the number of each row's (-1 missing)."""
    import pyarrow as pa

    encoded = pa.array(array, from_pandas=kind is Kind.NUMERIC).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if kind is Kind.NUMERIC:
        return number_bytes(encoded.dictionary.to_numpy(zero_copy_only=False)), codes
    return _texts(encoded.dictionary.to_pylist(), kind), codes


def encoded_column(array: np.ndarray, kind: Kind) -> EncodedColumn:
    """The same as a column of text."""
    texts, codes = encode(array, kind)
    return EncodedColumn([None if text is None else text.decode("utf-8", "surrogatepass") for text in texts], codes)


def _texts(values: list[Any], kind: Kind) -> list[bytes | None]:
    """Canonical texts of decoded values that are no numbers."""
    if kind is Kind.DATETIME:
        return [None if value == MISSING_TIME else b"@%d" % value for value in values]
    return [None if value is None else _bytes(canonical_text(value)) for value in values]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
