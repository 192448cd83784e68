"""From a chosen model to a bundle folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.answers import Answers
from penstock.bundle.decoder import Decoder, Frame
from penstock.bundle.format import write_bundle
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind
from penstock.bundle.packing import Layout, pack
from penstock.bundle.runtime import Bundle
from penstock.bundle.signature import DecisionRule, ExtraFields, InputColumn, Interval, Scale, Signature, WhenMissing
from penstock.objects.digests import canonical_json
from penstock.packaging import parity
from penstock.packaging.answer import answer_graph
from penstock.packaging.card import render_card
from penstock.packaging.examples import example_rows, raw_value
from penstock.packaging.fallback import Fallback, is_answered
from penstock.packaging.odd_rows import odd_rows

if TYPE_CHECKING:
    from penstock.packaging.novelty import FittedNovelty


@dataclass(frozen=True)
class Packaged:
    """A bundle that was written, and the parity that it was held to."""

    bundle: Bundle
    parity: parity.Parity


def signature_of(
    *,
    model: str,
    decoder: Decoder,
    layout: Layout,
    novelty: FittedNovelty,
    train: Frame,
    rule: DecisionRule,
    extra_fields: ExtraFields,
    key: str | None,
    scale: Scale | None,
    interval: Interval | None,
    goal_metric: str,
    missing: Mapping[str, WhenMissing] | None = None,
) -> Signature:
    """What the bundle takes and gives. Example values are medians and most frequent values of training rows."""
    assert decoder.target is not None
    columns = tuple(
        InputColumn(name, train.kinds[name], _typical(train, decoder, name), _known(train, name))
        for name in novelty.columns
    )
    return Signature(
        model=model,
        task=decoder.target.task,
        target=decoder.target,
        layout=layout,
        columns=columns,
        extra_fields=extra_fields,
        key=key,
        decision=rule,
        scale=scale,
        interval=interval,
        goal_metric=goal_metric,
        missing=missing or {},
    )


def build(
    folder: Path,
    *,
    model: bytes,
    decoder: Decoder,
    signature: Signature,
    novelty: FittedNovelty,
    train: Frame,
    valid: Frame,
    reference: Callable[[Answers], dict[str, Any]],
    card: dict[str, Any],
    audit_head: str,
    fallbacks: Sequence[Fallback] = (),
) -> Packaged:
    """Write the bundle to `folder`, after the parity gate.

    The answer graph must give the model's own scores on validation rows and on odd rows, and each row alone must be
    answered as within a batch, bit for bit.

    Parameters
    ----------
    model : ONNX bytes, packed inputs -> `probabilities` or `value`.
    reference : makes the reference profile from the bundle's answers to the validation rows.
    fallbacks : models that answer instead; each is held to parity as the model itself is.

    Raises
    ------
    ParityError : nothing is written.
    """
    graph = answer_graph(model, signature.layout, signature.task, novelty, signature.decision)
    rows = example_rows(train, decoder, [c.name for c in signature.columns])
    files = {
        "decoder.json": canonical_json(decoder.to_json()),
        "graph.onnx": graph,
        "signature.json": canonical_json(signature.to_json()),
        "card.json": canonical_json(card),
        "card.md": render_card(card).encode(),
        **{f"tokens-{digest.rpartition(':')[2][:16]}.json": data for digest, data in signature.layout.files.items()},
    }
    for fallback in fallbacks:
        files |= fallback.files()
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "draft"
        unfinished = {"examples.json": {"format": 1, "rows": [], "answers": []}, "reference.json": {"format": 1}}
        write_bundle(draft, {**files, **{n: canonical_json(part) for n, part in unfinished.items()}}, audit_head)
        bundle = Bundle.load(draft, key=decoder.key)
        checked = _parity(bundle.alone(fallbacks=False), model, valid, train)
        rows = [row for row in rows if is_answered(bundle, row)]
        for fallback in fallbacks:
            its = bundle.fallbacks[fallback.why]
            _parity(its, fallback.model, valid, train)
            files |= fallback.files(json.loads(canonical_json(its.predict(rows))))
        if fallbacks:
            odd = odd_rows(train.select([c.name for c in signature.columns]))
            n_rows, different = different_alone(bundle.alone(fallbacks=True), odd, range(len(odd)))
            largest = float("inf") if different else 0.0
            parity.require(parity.Parity(n_rows, largest, different, 0), what="one row against a batch, with fallbacks")
        answers = json.loads(canonical_json(bundle.predict(rows)))
        files["reference.json"] = canonical_json(reference(bundle.predict_frame(valid)))
    files["examples.json"] = canonical_json({"format": 1, "rows": rows, "answers": answers})
    write_bundle(folder, files, audit_head)
    packaged = Bundle.load(folder, key=decoder.key)
    packaged.self_test(exact=True)
    return Packaged(packaged, checked)


def _parity(bundle: Bundle, model: bytes, valid: Frame, train: Frame) -> parity.Parity:
    """Answer graph against model graph, and rows alone against bulk."""
    signature = bundle.signature
    names = [c.name for c in signature.columns]
    odd = odd_rows(train.select(names))
    sample = valid.select(names).take(slice(0, 20_000))
    rows = Frame.concat([sample, odd])
    output = "probabilities" if signature.task.is_classification else "value"
    session = open_session(model)
    expected = session.run([output], pack(rows, signature.layout))[0]
    got = bundle.predict_frame(rows)
    graph = got.probabilities if got.probabilities is not None else _standardised(got.value, signature)
    checked = parity.compare(
        np.asarray(graph).reshape(expected.shape), expected, threshold=signature.decision.threshold
    )
    parity.require(checked, what="the answer graph")
    raw, different = different_alone(bundle, rows, [i for i in range(len(rows)) if i >= len(sample) or i < 200])
    parity.require(
        parity.Parity(raw, 0.0 if not different else float("inf"), different, 0), what="one row against a batch"
    )
    return checked


def different_alone(bundle: Bundle, rows: Frame, which: Sequence[int]) -> tuple[int, int]:
    """How many rows were asked alone, and how many of them got other bits than in one batch.

    Parameters
    ----------
    rows : decoded; they are asked as raw values. which : their numbers.
    """
    names = [c.name for c in bundle.signature.columns]
    raw = [{n: raw_value(rows[n][i], bundle.decoder, n) for n in names} for i in which]
    again, _ = bundle.decoder.decode_rows(raw)
    bulk = bundle.predict_frame(again.select(names))
    alone = (bundle.predict([row])[0] for row in raw)
    return len(raw), sum(canonical_json(a) != canonical_json(bulk.row(i)) for i, a in enumerate(alone))


def _standardised(value: np.ndarray | None, signature: Signature) -> np.ndarray:
    assert value is not None
    return value if signature.scale is None else (value - signature.scale.mean) / signature.scale.std


def _typical(train: Frame, decoder: Decoder, name: str) -> Any:
    values = train[name][~train.missing(name)]
    if not len(values) or decoder.spec(name).privacy is not None:
        return None  # of a personal column no value shows what has to be sent
    if train.kinds[name] in (Kind.NUMERIC, Kind.DATETIME):
        return raw_value(np.sort(values)[len(values) // 2], decoder, name)
    if train.kinds[name] is Kind.TEXT:
        return "some text"  # a text of the data set may say what nobody outside may read
    unique, counts = np.unique(values.astype(str), return_counts=True)
    return str(unique[np.argmax(counts)])


def _known(train: Frame, name: str) -> tuple[str, ...] | None:
    if train.kinds[name] not in (Kind.CATEGORICAL, Kind.BINARY):
        return None
    return tuple(sorted({value for value in train[name] if value is not None}))
