"""Files in a bucket (``s3://``, ``gs://``, ``az://``): one, a glob, or all below a prefix that ends with ``/``.

What its store says of a file (size, tag, time) tells whether it is the one whose digest is known; so nothing is fetched where
nothing has changed. What must be read is fetched into a folder of the project and removed after: it is in the clear while it is
read, as it is in the bucket.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.file import FileSource, options_of
from penstock.data.sources.files import Entry, TableFiles, digest_of_files
from penstock.data.sources.kind import Around, SourceSettings, changed, described
from penstock.data.sources.listing import TABLES, is_glob, nothing_there, partitions_of, suffix_of
from penstock.errors import SourceError
from penstock.objects.endpoints import way_out

if TYPE_CHECKING:
    from penstock.data.source import Batch

SCHEMES = ("s3", "gs", "az")


class Bucket:
    """The kind of ``s3://bucket/data/*.csv``. Credentials come from the usual environment variables, as for the object store."""

    name = "bucket"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        return settings.scheme in SCHEMES and settings.format is None

    def open(self, settings: SourceSettings, around: Around) -> RemoteSource:
        source = RemoteSource(settings, around)
        if not source.listed:
            raise nothing_there(
                settings.place,
                "check the name; a prefix ends with /, and * stands for the part of a name, ** for any folders",
            )
        return source


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the bucket: its key, and what the store says of it."""

    key: str
    size: int
    tag: str
    changed_at: str

    @property
    def identity(self) -> str:
        return f"{self.size} {self.tag} {self.changed_at}"


@final
@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """A file of the bucket, to be read by itself; fetched when it is, and removed after."""

    source: RemoteSource
    file: RemoteFile

    @property
    def name(self) -> str:
        return self.file.key

    @property
    def constants(self) -> Mapping[str, str | None]:
        return partitions_of(self.file.key)

    @property
    def identity(self) -> str:
        return self.file.identity if self.file.tag else ""

    @property
    def place(self) -> Path | None:
        return None

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        path = self.source.fetch(self.file)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@final
class RemoteSource:
    """The rows of the files of a bucket, as of files on this machine: the same bytes have the same digest."""

    kept: str | None = None

    def __init__(self, settings: SourceSettings, around: Around) -> None:
        self._settings = settings
        self._around = around
        rest = settings.place.partition("://")[2]
        bucket, _, self._pattern = rest.partition("/")
        self._url = f"{settings.scheme}://{bucket}"
        self._single = not is_glob(self._pattern) and self._pattern != "" and not self._pattern.endswith("/")

    @cached_property
    def listed(self) -> list[RemoteFile]:
        """The files, as they were when the source was opened."""
        return self._list()

    @property
    def names(self) -> tuple[str, ...]:
        return self._fetched.names

    @property
    def why(self) -> tuple[str, ...]:
        return self._fetched.why

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._fetched.warnings

    @property
    def options(self) -> dict[str, Any]:
        return options_of(self._settings.options, self._settings.file_column)

    @property
    def origin(self) -> dict[str, Any]:
        return {"url": self._settings.place, **({} if self._single else {"files": len(self.listed)})}

    @property
    def contents(self) -> Mapping[str, str]:
        return {} if self._single else self._digests()

    def tables(self) -> list[RemoteEntry]:
        return [RemoteEntry(self, file) for file in self._list()]

    def digest(self) -> str:
        digests = self._digests()
        return next(iter(digests.values())) if self._single and digests else digest_of_files(digests)

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        now = {file.key: file.identity for file in self._list()}
        before = {file.key: file.identity for file in self.listed}
        if now != before:
            odd = sorted(key for key, _ in set(now.items()) ^ set(before.items()))
            raise changed(
                self._settings.place,
                why=f"the bucket has other files than a moment ago: {described(dict.fromkeys(odd))}",
            )
        yield from self._fetched.batches(rows)

    # ------------------------------------------------------------ the bucket

    def file_of_row(self, row: int) -> tuple[str, int] | None:
        """As `OfFiles`."""
        from penstock.data.source import OfFiles

        return self._fetched.file_of_row(row) if isinstance(self._fetched, OfFiles) else None

    @cached_property
    def _store(self) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        try:
            return from_url(self._url)
        except (BaseError, ValueError) as error:
            raise _refused(self._settings.place, error) from error

    def _list(self) -> list[RemoteFile]:
        import obstore

        fixed = re.split(r"[*?\[]", self._pattern, maxsplit=1)[0]
        prefix = self._pattern if self._single else fixed.rpartition("/")[0]
        with _telling(self._settings.place):
            if self._single:
                try:
                    return [_file(obstore.head(self._store, self._pattern))]
                except FileNotFoundError:  # of a bucket that is not there a head says no more; a listing does
                    next(iter(obstore.list(self._store, prefix=self._pattern, chunk_size=1)), None)
                    return []
            found = [_file(meta) for page in obstore.list(self._store, prefix=prefix or None) for meta in page]
        matches = _matcher(self._pattern) if is_glob(self._pattern) else None
        wanted = [f for f in found if (matches.fullmatch(f.key) if matches else self._is_row(f.key)) and f.size]
        return sorted(wanted, key=lambda file: file.key)

    def _is_row(self, key: str) -> bool:
        within = key.removeprefix(self._pattern)
        hidden = any(part.startswith((".", "_")) for part in within.split("/"))
        return not hidden and (self._settings.options.format is not None or suffix_of(key) in TABLES)

    def _digests(self) -> dict[str, str]:
        """Key -> digest of the files as they are now; those that are not known are fetched."""
        found: dict[str, str] = {}
        for file in self._list():
            url = f"{self._url}/{file.key}"
            cache = self._around.remote_digests
            digest = None if cache is None else cache.elsewhere(url, file.identity)
            if digest is None:
                from penstock.objects.files import sha256_file

                digest = sha256_file(self.fetch(file))
                if cache is not None:
                    cache.remember(url, file.identity, digest)
            found[file.key] = digest
        return found

    # ------------------------------------------------------------ what is fetched

    @cached_property
    def _folder(self) -> Path:
        scratch = self._around.scratch or Path(tempfile.gettempdir())
        scratch.mkdir(parents=True, exist_ok=True)
        _sweep(scratch)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=scratch))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def _fetched(self) -> FileSource | TableFiles:
        """The files as they were when the source was opened, on this machine."""
        entries = [Entry(file.key, self.fetch(file)) for file in self.listed]
        if self._single:
            return FileSource(entries[0].path, self._settings.options, self._settings.place, self._settings.file_column)
        return TableFiles(self._settings, replace(self._around, root=self._folder), lambda: entries)

    def fetch(self, file: RemoteFile) -> Path:
        """A file of the bucket on this machine, fetched once."""
        import obstore

        from penstock.objects.files import naming_full_disk

        number = re.sub(r"[^0-9A-Za-z]", "", file.tag)[:16] or str(file.size)
        path = self._folder / number / file.key
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with _telling(self._settings.place), naming_full_disk(path):
            try:
                got = obstore.get(self._store, file.key)
            except FileNotFoundError as error:
                raise changed(f"{self._url}/{file.key}", why="it is gone since the bucket was listed") from error
            if _file(got.meta).identity != file.identity:
                raise changed(f"{self._url}/{file.key}", why="its tag is not what it was when the bucket was listed")
            with partial.open("wb") as target:
                for chunk in got.stream():
                    target.write(chunk)
        partial.rename(path)
        return path


def _file(meta: Any) -> RemoteFile:
    """What a store says of a file, in one form: Azure quotes a tag where it gives the file and not where it lists it (RFC 9110, 8.8.3,
    has quotes), and Google's listing has parts of a second that the date in a head has not."""
    tag = meta.get("e_tag") or ""
    if tag and not tag.endswith('"'):
        tag = f'"{tag}"'
    changed_at = meta["last_modified"].replace(microsecond=0).isoformat()
    return RemoteFile(meta["path"], meta["size"], tag, changed_at)


def _matcher(pattern: str) -> re.Pattern[str]:
    """Of a glob over keys: ``*`` and ``?`` do not go beyond a folder, ``**/`` is any number of folders.

    >>> bool(_matcher("a/**/*.csv").fullmatch("a/b/c/x.csv")), bool(_matcher("a/*.csv").fullmatch("a/b/x.csv"))
    (True, False)
    """
    words = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = [
        known.get(w) or (w.replace("[!", "[^", 1) if w.startswith("[") and w.endswith("]") else re.escape(w))
        for w in words
    ]
    return re.compile("".join(parts))


@contextmanager
def _telling(place: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if no_bucket(error):
            raise _no_bucket(place) from error
        raise
    except BaseError as error:
        if no_bucket(error):
            raise _no_bucket(place) from error
        raise _refused(place, error) from error


def no_bucket(error: Exception) -> bool:
    """Whether a store says that it has no such bucket or container (S3 and Google: NoSuchBucket; Azure: ContainerNotFound)."""
    return any(
        word in str(error) for word in ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
    )


def _no_bucket(place: str) -> SourceError:
    bucket = place.partition("://")[2].partition("/")[0]
    return SourceError(
        f"there is no bucket {bucket!r}",
        why=f"{place} names it, and the store answers that it does not know it",
        way_out="check its name, and that the endpoint and the account are those it lies in (AWS_ENDPOINT_URL, AWS_REGION; GOOGLE_*, AZURE_*)",
    )


def _refused(place: str, error: Exception) -> SourceError:
    return SourceError(
        f"{place} does not answer as it should",
        why=next(iter(str(error).splitlines()), type(error).__name__),
        way_out=way_out(
            error,
            "check the name of the bucket, the network, and the credentials (AWS_*, GOOGLE_*, AZURE_* in the environment)",
        ),
    )


def _sweep(scratch: Path) -> None:
    """Remove what processes that have died left behind."""
    for folder in scratch.iterdir():
        number = folder.name.partition("-")[0]
        if number.isdecimal() and folder.is_dir():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                shutil.rmtree(folder, ignore_errors=True)
            except PermissionError:
                continue  # it lives, and is another user's
