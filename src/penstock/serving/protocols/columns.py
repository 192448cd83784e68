"""Columns of values to the rows of a request, and answers to columns: what protocols of tensors and frames share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from penstock.bundle.signature import Signature
from penstock.bundle.values import class_text
from penstock.errors import RequestError
from penstock.serving.asked import too_many_rows

Row = dict[str, Any]
Answer = dict[str, Any]


def rows_of_columns(columns: Mapping[str, Sequence[Any]], *, path: str, most: int) -> list[Row]:
    """Rows of columns of one length.

    Parameters
    ----------
    most : rows that a request may have. Looked at here, because a megabyte of truth values would be a gigabyte of rows.

    Raises
    ------
    RequestError : the columns have different lengths, or are longer than a request may be.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(
            "the columns have different lengths",
            why=", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:10]),
            way_out="send as many values in each column as there are rows",
            path=path,
            code="bad-shape",
        )
    names = list(columns)
    if names and lengths[names[0]] > most:
        raise too_many_rows(lengths[names[0]], most)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def rows_of_lists(lists: Sequence[Any], signature: Signature, *, path: str) -> list[Row]:
    """Rows that come as lists of values, in the order of the model's inputs; the key, which is the last of them, may be left out.

    Raises
    ------
    RequestError : a row is no list, or has another number of values than the model has inputs.
    """
    names = [column.name for column in signature.columns]
    with_key = names if signature.key is None else [*names, signature.key]
    rows = []
    for number, values in enumerate(lists):
        given = values if isinstance(values, list) else [values]
        if len(given) not in (len(names), len(with_key)):
            raise RequestError(
                f"{path}[{number}] has {len(given)} values",
                why=f"a row without names has one for each input, in this order: {', '.join(names[:20])}",
                way_out="send them all, with null where there is none, or send objects of fields",
                path=f"{path}[{number}]",
                code="bad-shape",
            )
        rows.append(dict(zip(with_key, given, strict=False)))
    return rows


def columns_of_answers(answers: Sequence[Answer], signature: Signature) -> dict[str, list[Any]]:
    """The outputs of a model in columns.

    Of a classifier `prediction` is the text of the class ("" where the model abstains), and `probabilities` has a list in the
    order of the classes for each row; of a regression `prediction`, `low` and `high` are numbers (None where there is none). `missing` and
    `unknown` are lists of fields, of no one length, so that each is JSON in a text.
    """
    columns: dict[str, list[Any]] = {}
    if signature.task.is_classification:
        keys = [class_text(label) for label in signature.target.classes]
        columns["prediction"] = ["" if a["prediction"] is None else class_text(a["prediction"]) for a in answers]
        columns["probabilities"] = [[a["probabilities"][key] for key in keys] for a in answers]
    else:
        columns["prediction"] = [a["prediction"] for a in answers]
        if signature.interval is not None:
            columns["low"], columns["high"] = ([a["interval"][side] for a in answers] for side in (0, 1))
    columns["decision"] = [a["decision"] for a in answers]
    columns["reason"] = [a["reason"] or "" for a in answers]
    columns["novelty"] = [a["novelty"] for a in answers]
    columns["id"] = [a["id"] for a in answers]
    columns["fallback"] = [a.get("fallback", "") for a in answers]
    columns["missing"] = [_listed(a["missing"]) for a in answers]
    columns["unknown"] = [_listed(a["unknown"]) for a in answers]
    return columns


def _listed(names: Sequence[str]) -> str:
    return orjson.dumps(names).decode() if names else "[]"
