"""How unlike the training rows a row is: a score and a limit, inside the graph.

Two questions are asked of the packed inputs themselves. Does a value lie *outside* what its column held in training: beyond
its range, a category or a choice of words never seen? And do the values go *together* as they did? For the second a forest
of boosted trees learns to tell training rows from rows whose columns were shuffled independently; its answer for "shuffled"
lies between 0 and 1, and the number of columns outside is added to it.

Telling data from a shuffled copy of them is the unsupervised forest of Breiman & Cutler (2003) and the trick of Hastie et
al., The Elements of Statistical Learning, 2nd ed., 14.2.4: it turns density estimation into classification. An isolation
forest (Liu et al. 2008) was measured first: it looks at one column at a time, and hardly tells shuffled rows from real ones
(docs/decisions/0002-novelty-by-contrast.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import MISSING_TIME
from penstock.bundle.packing import Layout, pack
from penstock.features.constants import const

if TYPE_CHECKING:
    from spox import Var

    from penstock.learning.trees import TreeEnsemble

FLAGGED = 0.01
"""Share of training-like rows above the limit."""
SAMPLE_ROWS, SAMPLE_CELLS = 15_000, 2_000_000
"""Rows, and rows x columns, on which trees are grown: more no longer helps and only costs time."""
MIN_ROWS = 50
"""Rows below which only the columns by themselves are looked at."""
FOLDS = 3
MARGIN = 0.05
"""Of a column's range, allowed beyond it on each side."""
USUAL_OUTSIDE = 0.02
"""A column outside in more held-out rows than this (tickets, names) says nothing by being outside."""
MAX_CATEGORIES = 5_000
MAX_WORDS = 20_000
UNKNOWN, UNSEEN_MISSING = -1.0, -2.0
MICROSECONDS_PER_DAY = 86_400_000_000.0

# Without subsampling of rows and columns no first split has any gain: shuffling keeps every column's own distribution.
TREES = {
    "objective": "binary",
    "learning_rate": 0.15,
    "num_leaves": 31,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
N_TREES = 60
FEATURE_SHARE, FEATURES_AT_ONCE = 0.6, 200
"""Of the columns each tree looks at this share, and at no more than so many: the cost of wide tables stays bounded."""


@dataclass(frozen=True)
class Known:
    """What each column held in training."""

    layout: Layout
    low: np.ndarray  # float32 (N,)
    high: np.ndarray  # float32 (N,)
    codes: tuple[dict[str, float] | None, ...]  # per category column, value -> code; None where there are too many
    words: tuple[frozenset[str], ...]  # per text column
    words_limit: np.ndarray  # float32 (texts,): share of unknown words above which a text is outside
    first: np.ndarray  # int64 (T,) microseconds
    last: np.ndarray  # int64 (T,)

    @classmethod
    def of(cls, feeds: Mapping[str, np.ndarray], layout: Layout) -> Known:
        numbers = feeds.get("numbers", np.zeros((1, 0), np.float32)).astype(np.float64)
        present = np.where(np.isnan(numbers), np.inf, numbers), np.where(np.isnan(numbers), -np.inf, numbers)
        low, high = present[0].min(axis=0, initial=np.inf), present[1].max(axis=0, initial=-np.inf)
        span = np.where(high >= low, high - low, 0.0) * MARGIN
        largest = float(np.finfo(np.float32).max)
        times = feeds.get("times", np.zeros((1, 0), np.int64))
        empty = times == MISSING_TIME
        strings = feeds.get("strings", np.zeros((1, 0), object))
        categories, texts = _split(layout)
        return cls(
            layout,
            np.clip(low - span, -largest, largest).astype(np.float32),
            np.clip(high + span, -largest, largest).astype(np.float32),
            tuple(_codes(strings[:, j]) for j in categories),
            tuple(_words(strings[:, j]) for j in texts),
            np.ones(len(texts), np.float32),
            np.where(empty, np.iinfo(np.int64).max, times).min(axis=0, initial=np.iinfo(np.int64).max),
            np.where(empty, np.iinfo(np.int64).min, times).max(axis=0, initial=np.iinfo(np.int64).min),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Numbers, categories, texts, instants."""
        categories, texts = _split(self.layout)
        return (*self.layout.numbers, *(self.layout.strings[j] for j in (*categories, *texts)), *self.layout.times)

    def emit(self, inputs: Mapping[str, Var]) -> tuple[Var | None, Var | None, Var]:
        """What the trees look at, float32 (n, d); shares of unknown words (n, texts); and which columns are outside.

        The first two are None where there is nothing of the kind; the last is bool (n, columns).
        """
        import spox.opset.ai.onnx.v21 as op

        features: list[Var] = []
        outside: list[Var] = []
        shares: Var | None = None
        if self.layout.numbers:
            numbers = inputs["numbers"]
            below, above = op.less(numbers, const(self.low)), op.greater(numbers, const(self.high))
            features.append(numbers)
            outside.append(op.or_(below, above))
        categories, texts = _split(self.layout)
        if categories:
            codes, unknown = self._emit_categories(
                _columns(inputs["strings"], categories, len(self.layout.slots("strings")))
            )
            features.append(codes)
            outside.append(unknown)
        if texts:
            shares = _side_by_side([self._emit_words(inputs["strings"], j, k) for k, j in enumerate(texts)])
            outside.append(op.greater(shares, const(self.words_limit)))
        if self.layout.times:
            times = inputs["times"]
            missing = op.equal(times, const(np.int64(MISSING_TIME)))
            origin = np.where(self.first <= self.last, self.first, 0)
            days = op.mul(
                op.cast(op.sub(op.where(missing, const(origin[None, :]), times), const(origin)), to=np.float64),
                const(np.float64(1.0 / MICROSECONDS_PER_DAY)),
            )
            features.append(op.where(missing, const(np.float32("nan")), op.cast(days, to=np.float32)))
            beyond = op.or_(op.less(times, const(self.first)), op.greater(times, const(self.last)))
            outside.append(op.and_(beyond, op.not_(missing)))
        joined = _side_by_side(features) if features else None
        return joined, shares, _side_by_side(outside)

    def _emit_categories(self, strings: Var) -> tuple[Var, Var]:
        """Codes float32 (n, categories) and whether they are unknown, bool, of the same shape.

        One label encoder for all columns, then one look-up in a table (values x columns): the cost of a row does not grow
        with the number of columns.
        """
        import spox.opset.ai.onnx.ml.v5 as ml
        import spox.opset.ai.onnx.v21 as op

        values = sorted({value for codes in self.codes if codes is not None for value in codes} | {""})
        number = {value: i for i, value in enumerate(values)}
        n_columns = len(self.codes)
        table = np.full((len(values) + 1, n_columns), UNKNOWN, np.float32)  # (values and one for the unknown, columns)
        table[number[""]] = UNSEEN_MISSING
        for j, codes in enumerate(self.codes):
            if codes is None:
                table[:, j] = 0.0
                continue
            for value, code in codes.items():
                table[number[value], j] = code
        ids = ml.label_encoder(
            strings, keys_strings=values, values_int64s=list(range(len(values))), default_int64=len(values)
        )
        places = op.add(op.mul(ids, const(np.int64(n_columns))), const(np.arange(n_columns, dtype=np.int64)))
        found = op.gather(const(table.ravel()), places)
        return found, op.equal(found, const(np.float32(UNKNOWN)))

    def _emit_words(self, strings: Var, column: int, text: int) -> Var:
        """Share of unknown words in one text column, float32 (n, 1)."""
        import spox.opset.ai.onnx.ml.v5 as ml
        import spox.opset.ai.onnx.v21 as op

        across = const(np.array([1], np.int64))
        tokens, counts = op.string_split(op.gather(strings, const(np.int64(column)), axis=1), delimiter=" ")
        keys = ["", *sorted(self.words[text])]
        unknown = ml.label_encoder(tokens, keys_strings=keys, values_floats=[0.0] * len(keys), default_float=1.0)
        length = op.max([op.cast(counts, to=np.float32), const(np.float32(1.0))])
        return op.div(
            op.reduce_sum(unknown, across, keepdims=1), op.unsqueeze(length, across)
        )  # a sum of 0 and 1: exact


def _split(layout: Layout) -> tuple[list[int], list[int]]:
    """Positions among the strings: those of categories, and those of texts."""
    categories = [j for j, name in enumerate(layout.strings) if name not in layout.texts]
    return categories, [j for j, name in enumerate(layout.strings) if name in layout.texts]


def _columns(block: Var, positions: list[int], width: int) -> Var:
    import spox.opset.ai.onnx.v21 as op

    return block if len(positions) == width else op.gather(block, const(np.array(positions, np.int64)), axis=1)


def _side_by_side(blocks: list[Var]) -> Var:
    import spox.opset.ai.onnx.v21 as op

    return blocks[0] if len(blocks) == 1 else op.concat(blocks, axis=1)


def _codes(column: np.ndarray) -> dict[str, float] | None:
    """Category -> rank by frequency. None: too many to be kept."""
    counts = Counter(column.tolist())
    if len(counts) > MAX_CATEGORIES:
        return None
    return {
        value: float(i) for i, (value, _) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    }


def _words(column: np.ndarray) -> frozenset[str]:
    counts = Counter(word for text in column.tolist() for word in text.split(" "))
    counts.pop("", None)
    return frozenset(word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS])


@dataclass(frozen=True)
class FittedNovelty:
    """Writes score and outside flags into the graph.

    Attributes
    ----------
    limit : a row is novel where its score is *above* it.
    counted : float32 (columns,): 1 where a column that is outside adds to the score, else 0 (instants, which always move
        on, and columns in which unknown values are usual).
    """

    known: Known
    trees: TreeEnsemble | None
    counted: np.ndarray
    limit: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `outside`, in order."""
        return self.known.columns

    def emit(self, inputs: Mapping[str, Var]) -> tuple[Var, Var]:
        """Score float32 (n,) and outside bool (n, columns), from the packed inputs by name."""
        import spox.opset.ai.onnx.v21 as op

        features, _, outside = self.known.emit(inputs)
        score = op.matmul(op.cast(outside, to=np.float32), const(self.counted[:, None]))  # (n, 1)
        if self.trees is not None and features is not None:
            score = op.add(score, op.sigmoid(self.trees.emit(features)))
        return op.squeeze(score, const(np.array([1], np.int64))), outside

    def model(self) -> bytes:
        """ONNX bytes: packed inputs -> ``novelty``, ``outside``."""
        import spox

        from penstock.features.graph import packed_arguments

        inputs = packed_arguments(self.known.layout)
        score, outside = self.emit(inputs)
        return spox.build(inputs, {"novelty": score, "outside": outside}).SerializeToString(deterministic=True)

    def score(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 (n,) and outside flags bool (n, columns) of the rows of a frame."""
        return self._run(pack(frame, self.known.layout))

    def _run(self, feeds: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        score, outside = self._session.run(["novelty", "outside"], dict(feeds))
        return score, outside

    @cached_property
    def _session(self) -> Any:
        from penstock.bundle.graph import open_session

        return open_session(self.model())


def fit_novelty(frame: Frame, layout: Layout, *, seed: int = 0) -> FittedNovelty:
    """Learn what training rows look like.

    The limit is the 99 % quantile of scores of rows on which neither the trees nor the known values of that score were
    fitted (threefold). With fewer than 100 rows no such quantile exists; then it is half a column above the highest score.

    Parameters
    ----------
    frame : training rows.
    layout : the packed inputs of the model: only its columns are looked at.
    """
    rng = np.random.default_rng(seed)
    n_columns = len(layout.numbers) + len(layout.strings) + len(layout.times)
    rows = np.sort(rng.permutation(len(frame))[: min(SAMPLE_ROWS, max(MIN_ROWS, SAMPLE_CELLS // n_columns))])
    sample = pack(frame.take(rows), layout)
    fold = rng.permutation(np.arange(len(rows)) % FOLDS)
    folds = [(_take(sample, fold != k), _take(sample, fold == k)) for k in range(min(FOLDS, len(rows) // 2))]

    known = Known.of(pack(frame, layout), layout)
    looks = [_Look(Known.of(inside, layout)) for inside, _ in folds]
    words_limit = _words_limit([look.shares(held) for look, (_, held) in zip(looks, folds, strict=True)], layout)
    counted = np.ones(len(known.columns), np.float32)
    counted[len(known.columns) - len(layout.times) :] = 0.0
    parts = [
        replace(_fit(look, inside, words_limit, seed), counted=counted)
        for look, (inside, _) in zip(looks, folds, strict=True)
    ]
    told = [part._run(held) for part, (_, held) in zip(parts, folds, strict=True)]
    if told:
        usual = np.concatenate([outside for _, outside in told]).mean(axis=0) > USUAL_OUTSIDE
        if counted[usual].any():
            counted = np.where(usual, np.float32(0.0), counted)
            told = [replace(part, counted=counted)._run(held) for part, (_, held) in zip(parts, folds, strict=True)]
    scores = [score for score, _ in told]
    final = _fit(_Look(known), sample, words_limit, seed)
    return replace(final, counted=counted, limit=_limit(np.concatenate(scores) if scores else np.zeros(0)))


def _take(feeds: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in feeds.items()}


def _limit(scores: np.ndarray) -> float:
    rank = int(np.ceil((1.0 - FLAGGED) * (len(scores) + 1)))
    if rank <= len(scores):
        return float(np.sort(scores)[rank - 1])
    return float(scores.max(initial=1.0)) + 0.5


def _words_limit(shares: list[np.ndarray], layout: Layout) -> np.ndarray:
    """Per text column, the share of unknown words that few held-out texts exceed; 1 where nothing can."""
    if not layout.texts or not shares:
        return np.ones(len(layout.texts), np.float32)
    return np.quantile(np.concatenate(shares), 1.0 - FLAGGED / 2, axis=0).astype(np.float32)


def _fit(look: _Look, feeds: Mapping[str, np.ndarray], words_limit: np.ndarray, seed: int) -> FittedNovelty:
    """Trees of these rows; every column counted, and no limit yet."""
    layout = look.known.layout
    n_rows = len(next(iter(feeds.values())))
    n_features = len(layout.numbers) + len(look.known.codes) + len(layout.times)
    trees = _contrast(look.features(feeds), seed) if n_features > 1 and n_rows >= MIN_ROWS else None
    known = replace(look.known, words_limit=words_limit)
    return FittedNovelty(known, trees, np.ones(len(known.columns), np.float32))


class _Look:
    """What `Known.emit` makes of packed rows, but for which columns are outside: the trees are grown on what the graph will show them."""

    def __init__(self, known: Known) -> None:
        self.known = known

    def features(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the trees look at, float32 (n, d)."""
        return self._session.run(["features"], dict(feeds))[0]

    def shares(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """Shares of unknown words, float32 (n, texts)."""
        if not self.known.layout.texts:
            return np.zeros((len(next(iter(feeds.values()))), 0), np.float32)
        return self._session.run(["shares"], dict(feeds))[0]

    @cached_property
    def _session(self) -> Any:
        import spox

        from penstock.bundle.graph import open_session
        from penstock.features.graph import packed_arguments

        inputs = packed_arguments(self.known.layout)
        features, shares, _ = self.known.emit(inputs)
        parts = {"features": features, "shares": shares}
        outputs = {name: part for name, part in parts.items() if part is not None}
        return open_session(spox.build(inputs, outputs).SerializeToString())


def _contrast(real: np.ndarray, seed: int) -> TreeEnsemble:
    """Trees that tell rows (n, d) from rows whose columns were shuffled independently."""
    from penstock.features.openmp import load_lightgbm
    from penstock.learning.trees import from_lightgbm

    lightgbm, rng = load_lightgbm(), np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(column) for column in real.T], axis=1)
    label = np.repeat([0.0, 1.0], len(real))
    share = min(FEATURE_SHARE, FEATURES_AT_ONCE / real.shape[1])
    settings = {**TREES, "seed": seed, "feature_fraction": share}
    data = lightgbm.Dataset(np.vstack([real, shuffled]), label, params=settings)
    return from_lightgbm(lightgbm.train(settings, data, num_boost_round=N_TREES).model_to_string(), 1)
