"""A bundle brought into a server process: whole, the one that was meant, with its key, and right on its own examples."""

from __future__ import annotations

import ctypes
import logging
from functools import cache
from pathlib import Path
from typing import Any

from penstock.bundle.format import read_bundle
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError, PenstockError
from penstock.serving.slots import SlotEntry

log = logging.getLogger("penstock.serving")

_BASE_BYTES = 1_000_000
_PER_GRAPH_BYTE = 7
_AT_LEAST = 2


def load_bundle(state_dir: Path, entry: SlotEntry) -> Bundle:
    """The bundle that an entry names, ready to answer. To be called beside the event loop.

    Raises
    ------
    BundleError : it is damaged, another one, fails its self-test, or cannot be loaded at all.
    PrivacyError : it needs a key that is not here.
    """
    folder = state_dir / entry.path
    try:
        bundle = Bundle.load(folder)
        refuse_another(bundle.digest, entry)
        bundle.decoder.require_key()  # before the first request, not at it
        bundle.self_test()
    except PenstockError:
        raise
    except Exception as error:  # the runtime may raise anything over a bad graph; what is live goes on
        log.exception("the bundle in %s cannot be loaded", folder)
        raise BundleError(
            f"the bundle of {entry.model} version {entry.version} cannot be loaded",
            why=f"{type(error).__name__}: {error}",
            way_out="deploy another version, and report this one",
        ) from error
    return bundle


def refuse_another(digest: str, entry: SlotEntry) -> None:
    """
    Raises
    ------
    BundleError : the digest of a bundle is not that of the entry that names it.
    """
    if digest != entry.bundle:
        raise BundleError(
            f"the bundle of {entry.model} version {entry.version} is not the one that was deployed",
            why=f"its digest is {digest}, {entry.bundle} was put here",
            way_out="deploy or shelve that version again",
        )


def check_whole(state_dir: Path, entry: SlotEntry) -> None:
    """Compare a bundle's files with their digests, so that nothing makes room for one that is damaged.

    Raises
    ------
    BundleError : a file is missing or damaged.
    """
    read_bundle(state_dir / entry.path, verify=True)


def memory_of(graph_bytes: int) -> int:
    """Bytes of memory that a bundle takes once loaded, as it is reckoned before.

    Measured: a graph of tree ensembles takes six to seven times its file (onnxruntime lays the trees out anew), one of matrices
    about twice. The most is assumed, because what is not there must not be given away.

    >>> memory_of(2_000_000)
    15000000
    """
    return _BASE_BYTES + _PER_GRAPH_BYTE * graph_bytes


def memory_measured(graph_bytes: int, grown_bytes: int) -> int:
    """The same once it is loaded, from what the process has grown by; other requests grow and shrink it as well, hence the bounds.

    >>> [memory_measured(2_000_000, grown) for grown in (0, 8_000_000, 90_000_000)]
    [5000000, 8000000, 15000000]
    """
    return min(max(grown_bytes, _BASE_BYTES + _AT_LEAST * graph_bytes), memory_of(graph_bytes))


def graph_bytes_of(bundle: Bundle) -> int:
    """The size of the files of its graphs: its own, and those of its fallbacks."""
    return sum(int(file["size_bytes"]) for name, file in bundle.manifest["files"].items() if name.endswith(".onnx"))


def resident_bytes() -> int:
    """Memory of this process that is in RAM, in bytes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * _page_bytes()


def give_memory_back() -> None:
    """Have freed memory returned to the system: the allocator of glibc keeps what a large model leaves."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _page_bytes() -> int:
    import mmap

    return mmap.PAGESIZE


@cache
def _libc() -> Any:
    """The C library, where it has glibc's `malloc_trim`."""
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return None
    return libc if hasattr(libc, "malloc_trim") else None
