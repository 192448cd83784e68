"""A bundle at work: load it, check rows, predict. Needs numpy and onnxruntime, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from penstock.bundle.answers import LATE, MISSING, Answer, Answerer, Answers, Instead, by_fallback, filled
from penstock.bundle.decoder import Decoder
from penstock.bundle.differing import difference
from penstock.bundle.format import BundleFiles, parse_object, read_bundle, read_file
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.model_graph import ModelGraph
from penstock.bundle.packing import pack
from penstock.bundle.privacy.keys import find_key
from penstock.bundle.requests import ReadRows, RequestReader, joined
from penstock.bundle.signature import Signature
from penstock.errors import BundleError, RequestError, SchemaMismatch
from penstock.objects.digests import canonical_json

TOLERANCE = 1e-5
"""By how much answers may differ from those of another kind of processor, where the bundle does not say it itself."""
_ROWS_AT_ONCE = 8192  # bounds the memory of the graph's intermediate results


class Bundle:
    """One version of a model, ready to answer. Safe to share between threads.

    Attributes
    ----------
    digest : of the bundle's files; names the version wherever it is.
    signature, decoder : what it takes and gives, and how raw values are read.
    manifest : the stored manifest.
    tested : rows of the last self-test, and the nanoseconds that they took; None before.
    fallbacks : smaller models that answer instead, by the reason: "late" and "missing".
    """

    def __init__(
        self,
        files: BundleFiles,
        decoder: Decoder,
        signature: Signature,
        graph: bytes,
        fallbacks: Mapping[str, Bundle] | None = None,
    ) -> None:
        self._files = files
        self.folder, self.digest, self.manifest = files.folder, files.digest, files.manifest
        self.decoder, self.signature = decoder, signature
        self._graph = ModelGraph(graph, signature, files.folder)
        self._requests = RequestReader(decoder, signature)
        self._answerer = Answerer(signature)
        self.tested: tuple[int, int] | None = None
        self.fallbacks = dict(fallbacks or {})
        self._refused = signature.fields_that("refuse")
        self._routed = signature.fields_that("fallback")
        if self._routed and MISSING not in self.fallbacks:
            raise BundleError(
                f"the bundle {files.folder} has no fallback for rows without {', '.join(sorted(self._routed))}",
                why="its signature says that another model answers them",
                way_out="package the model again",
            )

    @classmethod
    def load(cls, folder: str | Path, *, verify: bool = True, key: bytes | Callable[[], bytes] | None = None) -> Bundle:
        """The bundle in a folder.

        Parameters
        ----------
        verify : compare the digest of every file; False only for a folder that this process has verified before.
        key : the privacy key, or what gives it where it is needed; default: that of the environment, or of `privacy.key` one or two folders above. Without one,
            rows whose personal values have to be hashed or shifted are refused, unless they come protected.

        Raises
        ------
        BundleError : a file is missing or damaged (it is named), or the graph does not fit its signature.
        NewerFormat : written by a later release.
        PrivacyError : the key is that of another project, or others can read its file.
        """
        files = read_bundle(Path(folder), verify=verify)
        contents = files.files
        decoder = Decoder.from_json(parse_object(contents["decoder.json"], "decoder.json", files.folder))
        by_digest = {entry["digest"]: name for name, entry in files.manifest["files"].items()}
        signature = Signature.from_json(
            parse_object(contents["signature.json"], "signature.json", files.folder),
            lambda digest: contents[by_digest[digest]],
        )
        if decoder.needs_key:
            given = key() if callable(key) else key
            decoder = decoder.with_key(given if given is not None else find_key(files.folder))
        slim = BundleFiles(files.folder, files.digest, files.manifest, {})  # the rest is read again when asked for
        fallbacks = {}
        for why in (LATE, MISSING):
            if (name := f"fallback-{why}.json") in contents:
                plain = parse_object(contents[name], name, files.folder)
                its = Signature.from_json(plain["signature"], lambda digest: contents[by_digest[digest]])
                fallbacks[why] = cls(slim, decoder, its, contents[f"fallback-{why}.onnx"])
        return cls(slim, decoder, signature, contents["graph.onnx"], fallbacks)

    def alone(self, *, fallbacks: bool) -> Bundle:
        """The same without refusals of missing fields, and without fallbacks where they are not wanted: for comparisons."""
        bundle = copy(self)
        bundle._refused = frozenset()
        if not fallbacks:
            bundle._routed = frozenset()
            bundle.fallbacks = {}
            bundle.signature = replace(self.signature, missing={})
        return bundle

    # ------------------------------------------------------------ what lies in it

    def read(self, name: str) -> bytes:
        """One of its files, checked again; BundleError when there is none of that name."""
        return read_file(self._files, name)

    @cached_property
    def card(self) -> dict[str, Any]:
        """The model card, `card.json`."""
        return parse_object(self.read("card.json"), "card.json", self.folder)

    @cached_property
    def reference(self) -> dict[str, Any]:
        """The reference profile of the training data, `reference.json`."""
        return parse_object(self.read("reference.json"), "reference.json", self.folder)

    # ------------------------------------------------------------ one row, many times

    @property
    def is_private(self) -> bool:
        """Whether rows hold personal columns, which are protected before anything else."""
        return self._requests.protects

    def protect(
        self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Rows as they may be kept: personal values hashed, masked or gone as the decoder declares. `predict` takes them, too.

        Raises
        ------
        RequestError : as `predict`. PrivacyError : the privacy key is needed and not here.
        """
        return self._requests.protect(rows, extra_fields=extra_fields)

    def check(self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None) -> None:
        """Refuse rows as `predict` would, without running the graph."""
        protected = self._requests.protect(rows, extra_fields=extra_fields) if self.is_private else rows
        self._checked(self._requests.read(protected, extra_fields=extra_fields))

    def read_key(self, value: object) -> str | None:
        """A raw key in the form in which answers carry it (JSON 17 and "17" are one); None when there is no key."""
        return self._requests.read_key(value)

    def refuse_broken_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Refuse rows whose images cannot be unpacked, as whoever asked should know. `predict` takes them for missing ones.

        Raises
        ------
        RequestError : "wrong-type", with the path of the field.
        """
        self._requests.refuse_broken_images(rows)

    def predict(self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None) -> list[Answer]:
        """Answers to raw rows (JSON or text values), in order. One wrong row refuses all.

        Raises
        ------
        RequestError : a row is not an object, has an unknown field, or a value of the wrong type; with its path.
        """
        if self._requests.protects:
            rows = self._requests.protect(rows, extra_fields=extra_fields)
        if len(rows) <= _ROWS_AT_ONCE:
            return self._answer(self._checked(self._requests.read(rows, extra_fields=extra_fields)))
        starts = range(0, len(rows), _ROWS_AT_ONCE)
        read = [
            self._checked(
                self._requests.read(rows[start : start + _ROWS_AT_ONCE], extra_fields=extra_fields, first=start), start
            )
            for start in starts
        ]
        return [answer for part in read for answer in self._answer(part)]

    def read_rows(self, rows: Sequence[Mapping[str, Any]]) -> ReadRows:
        """Rows (protected, where they are personal), checked and decoded, for `answer_together`. Raises as `predict`."""
        return self._checked(self._requests.read(rows))

    def predict_late(self, rows: Sequence[Mapping[str, Any]], *, extra_fields: str | None = None) -> list[Answer]:
        """The answers of the fallback for requests that the model would answer too late. Raises as `predict`; KeyError without one."""
        answers = self.fallbacks[LATE].predict(rows, extra_fields=extra_fields)
        self._refuse_missing([answer["missing"] for answer in answers])
        for answer in answers:
            if self.signature.missing:
                filled(answer, answer["missing"])
            answer["fallback"] = LATE
        return answers

    def _checked(self, read: ReadRows, first: int = 0) -> ReadRows:
        """Refuse rows without a field that may not be missing."""
        if self._refused:
            self._refuse_missing(read.missing, first)
        return read

    def _refuse_missing(self, missing: Sequence[Sequence[str]], first: int = 0) -> None:
        for number, names in enumerate(missing, first):
            for name in names:
                if name in self._refused:
                    raise missing_value(f"rows[{number}].{name}")

    def answer_together(self, parts: Sequence[ReadRows]) -> list[list[Answer]]:
        """The answers to several requests in one execution of the graph: bit for bit those that each gets alone."""
        answers = self._answer(joined(parts))
        ends = list(accumulate(len(part.table) for part in parts))
        return [answers[end - len(part.table) : end] for part, end in zip(parts, ends, strict=True)]

    def _answer(self, read: ReadRows) -> list[Answer]:
        """The answers to checked rows, some of them by a fallback, where their missing fields are declared so."""
        if not self.signature.missing:
            return self._asked(read)
        routed = [i for i, missing in enumerate(read.missing) if not self._routed.isdisjoint(missing)]
        if not routed:
            return list(map(filled, self._asked(read), read.missing))
        instead = self.fallbacks[MISSING]
        columns = {column.name for column in instead.signature.columns}
        others = sorted(set(range(len(read.table))).difference(routed))
        rest = ReadRows(*([part[i] for i in others] for part in read))  # type: ignore[arg-type]
        answers: dict[int, Answer] = dict(zip(others, map(filled, self._asked(rest), rest.missing), strict=True))
        part = instead._requests.part_of(read, self._requests, routed)
        for i, answer in zip(routed, instead._asked(part), strict=True):
            answers[i] = by_fallback(answer, read.missing[i], columns)
        return [answers[i] for i in range(len(read.table))]

    def _asked(self, read: ReadRows) -> list[Answer]:
        if not read.table:
            return []
        decision, novelty, outside, *content = self._graph.run(self._requests.feeds(read.table))
        make = self._answerer
        details = (decision.tolist(), novelty.tolist(), outside, read.missing, read.unknown, read.keys)
        if len(content) == 2:
            label, probabilities = content
            return list(map(make.classification, label.tolist(), probabilities.tolist(), *details))
        points = [make.rescale(value) for value in content[0][:, 0].tolist()]
        return list(map(make.regression, points, *details))

    # ------------------------------------------------------------ many rows, once

    def predict_frame(self, frame: Frame, *, chunk: int = _ROWS_AT_ONCE) -> Answers:
        """Answers to decoded rows as arrays; bit for bit those of `predict`. An absent column is all missing.

        Parameters
        ----------
        chunk : rows that go through the graph at once.
        """
        columns = self.signature.columns
        frame = self._inputs_of(frame)
        outputs = [
            self._graph.run(pack(frame.take(slice(start, start + chunk)), self.signature.layout))
            for start in range(0, len(frame), chunk)
        ] or [self._graph.no_rows()]
        whole = outputs[0] if len(outputs) == 1 else [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
        decision, novelty, outside, *content = whole
        missing = np.zeros((len(frame), len(columns)), dtype=bool)
        unknown = np.zeros((len(frame), len(columns)), dtype=bool)
        for j, column in enumerate(columns):
            missing[:, j] = frame.missing(column.name)
            if column.known is not None:
                unknown[:, j] = _outside_of(frozenset((None, *column.known)), frame.columns[column.name])
        key = self.signature.key
        arrays: dict[str, Any] = {}
        if len(content) == 2:
            arrays["label"], arrays["probabilities"] = content
        else:
            arrays["value"] = self._answerer.rescale(content[0][:, 0].astype(np.float64))
            bounds = self._answerer.bounds(arrays["value"])
            if bounds is not None:
                arrays["low"], arrays["high"] = bounds
        answers = Answers(
            self._answerer,
            tuple(column.name for column in columns),
            decision,
            novelty,
            outside,
            missing,
            unknown,
            keys=frame.columns[key] if key is not None else None,
            **arrays,
        )
        return self._with_fallback(answers, frame) if self.signature.missing else answers

    def _with_fallback(self, answers: Answers, frame: Frame) -> Answers:
        """Rows without a field whose policy says so have the answers of the model that does without, as in `predict`."""
        columns = [j for j, name in enumerate(answers.columns) if name in self._routed]
        rows = np.flatnonzero(answers.missing[:, columns].any(axis=1))
        if not len(rows):
            return replace(answers, instead=Instead(answers))
        theirs = self.fallbacks[MISSING].predict_frame(frame.take(rows))
        for name in ("decision", "novelty", "label", "probabilities", "value", "low", "high"):
            ours = getattr(answers, name)
            if ours is not None:
                ours[rows] = getattr(theirs, name)
        places = [answers.columns.index(name) for name in theirs.columns]
        for ours, instead in ((answers.outside, theirs.outside), (answers.unknown, theirs.unknown)):
            ours[rows] = False
            ours[rows[:, None], np.array(places)] = instead
        return replace(answers, instead=Instead(theirs, {int(row): place for place, row in enumerate(rows)}))

    def missing_where_refused(self, frame: Frame) -> tuple[int, str] | None:
        """The first row of decoded rows that lacks a field that may not be missing, and the field; None where there is none."""
        found = [
            (int(np.argmax(gone)), name)
            for name in sorted(self._refused)
            if (gone := frame.missing(name) if name in frame else np.ones(len(frame), bool)).any()
        ]
        return min(found, default=None)

    def _inputs_of(self, frame: Frame) -> Frame:
        """The inputs and the key of the model; what the frame does not have is all missing."""
        wanted = {column.name: column.kind for column in self.signature.columns}
        if self.signature.key is not None:
            wanted[self.signature.key] = self.decoder.spec(self.signature.key).kind
        for name, kind in wanted.items():
            if frame.kinds.get(name, kind) is not kind:
                raise SchemaMismatch(
                    f"column {name!r} is {frame.kinds[name]}, the model takes it as {kind}",
                    why="the rows were decoded by another decoder",
                    way_out="decode them with the decoder of the bundle",
                )
        columns = {
            name: frame.columns[name] if name in frame else typed_array([None] * len(frame), kind)
            for name, kind in wanted.items()
        }
        return Frame(columns, wanted, len(frame))

    # ------------------------------------------------------------ self-test

    def self_test(self, *, exact: bool = False) -> None:
        """Answer the packaged examples and compare with the packaged answers.

        Everything must be equal; floating-point numbers may differ by 1e-5 of their size (or of the target's
        spread), because another kind of processor rounds in another place, unless `exact`. A quantised bundle states
        how much it may be for itself: there, another last bit can become another whole step.

        Raises
        ------
        BundleError : an answer differs; the first difference is named.
        """
        examples = parse_object(self.read("examples.json"), "examples.json", self.folder)
        began = perf_counter_ns()
        predicted = self.predict(examples["rows"])
        self.tested = (len(predicted), perf_counter_ns() - began) if predicted else None
        answers = json.loads(canonical_json(predicted))
        expected = examples["answers"]
        unit = self.signature.scale.std if self.signature.scale else 1.0
        tolerance = 0.0 if exact else examples.get("tolerance", TOLERANCE)
        found = difference(answers, expected, "answers", tolerance=tolerance, unit=unit)
        for why, fallback in self.fallbacks.items():
            plain = parse_object(self.read(f"fallback-{why}.json"), f"fallback-{why}.json", self.folder)
            began = perf_counter_ns()
            answers = fallback.predict(examples["rows"])
            fallback.tested = (len(answers), perf_counter_ns() - began) if answers else None
            again, path = json.loads(canonical_json(answers)), f"fallback {why!r}"
            found = found or difference(again, plain["answers"], path, tolerance=tolerance, unit=unit)
        if found is not None:
            raise BundleError(
                f"the bundle {self.folder} does not answer its own examples as it did when it was packaged",
                why=found,
                way_out="check the installed onnxruntime, or package the model again on this kind of machine",
            )


def missing_value(path: str) -> RequestError:
    """A row without a field that the declaration wants in every row."""
    return RequestError(
        f"{path} is missing",
        why=f'the model\'s declaration says [serving.missing] {path.partition(".")[2]} = "refuse"',
        way_out="send a value for it",
        path=path,
        code="missing-value",
    )


def _outside_of(known: frozenset[str | None], values: np.ndarray) -> np.ndarray | bool:
    """Which values are not known; False for all where none is, which is the rule and quickly seen."""
    if known.issuperset(values):
        return False
    return ~np.fromiter(map(known.__contains__, values), dtype=bool, count=len(values))
