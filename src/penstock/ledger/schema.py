"""The tables of the ledger, as queries see them. How they came to be is in `penstock.ledger.migrations`.

What has structure but is never searched by (parameters, details) is canonical JSON in a text column, `Json`.
Floats in it keep NaN and infinity.
"""

from __future__ import annotations

import json
from typing import Any, final

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text, TypeDecorator

from penstock.objects.digests import canonical_json


@final
class Json(TypeDecorator[Any]):
    """A JSON value, stored as canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> str | None:
        return None if value is None else canonical_json(value).decode()

    def process_result_value(self, value: str | None, dialect: object) -> Any:
        return None if value is None else json.loads(value)


def _required(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


metadata = MetaData()

migrations = Table("migrations", metadata, _key("name"), _required("at", Text))

runs = Table(
    "runs",
    metadata,
    _key("id"),
    _required("operation", Text),
    _required("status", Text),
    _required("key", Text),
    _required("code", Text),
    Column("project", Text),
    Column("seed", BigInteger),
    _required("started_at", Text),
    Column("ended_at", Text),
    Column("seconds", Double),
    _required("params", Json),
    _required("inputs", Json),
    _required("outputs", Json),
    _required("environment", Text),
    _required("source", Json),
    _required("cost", Json),
    Column("error", Json),
    Column("log", Text),
    _required("process", Json),
)

run_inputs = Table("run_inputs", metadata, _key("run"), _key("name"), _required("digest", Text))

run_outputs = Table(
    "run_outputs",
    metadata,
    _key("run"),
    _key("name"),
    _required("digest", Text),
    Column("size_bytes", BigInteger),
    Column("media", Text),
)

run_metrics = Table(
    "run_metrics",
    metadata,
    _key("run"),
    _key("name"),
    Column("value", Double),
    Column("low", Double),
    Column("high", Double),
)

environments = Table("environments", metadata, _key("digest"), _required("body", Json))

trials = Table(
    "trials",
    metadata,
    _key("search"),
    _key("number", Integer),
    _required("learner", Text),
    _required("params", Json),
    _required("state", Text),
    Column("value", Double),
    _required("seconds", Double),
    _required("threads", Integer),
    _required("details", Json),
    _required("at", Text),
)

model_versions = Table(
    "model_versions",
    metadata,
    _key("name"),
    _key("version", Integer),
    _required("run", Text),
    _required("bundle", Text),
    Column("report", Text),
    _required("passed", Boolean),
    _required("overrides", Json),
    _required("dataset", Text),
    _required("metrics", Json),
    _required("details", Json),
    _required("created_at", Text),
)

model_aliases = Table("model_aliases", metadata, _key("name"), _key("alias"), _required("version", Integer))

envelopes = Table(
    "envelopes",
    metadata,
    _key("dataset"),
    _key("number", Integer),
    _required("rows", Integer),
    _required("object", Text),
    _required("key_id", Text),
    Column("strata", Json),
    Column("opened_at", Text),
    Column("opened_by", Text),
    Column("opened_by_run", Text),
    Column("purpose", Text),
)

secrets = Table("secrets", metadata, _key("name"), _required("value", Text), _required("created_at", Text))

datasets = Table(
    "datasets",
    metadata,
    _key("digest"),
    Column("parent", Text),
    _required("manifest", Text),
    _required("source", Json),
    _required("details", Json),
    Column("run", Text),
    _required("number", Integer),
    _required("created_at", Text),
)

dataset_heads = Table("dataset_heads", metadata, _key("project"), _required("digest", Text))

events = Table(
    "events",
    metadata,
    _key("number", Integer),
    _required("previous", Text),
    _required("at", Text),
    _required("who", Text),
    _required("what", Text),
    _required("subject", Text),
    _required("details", Json),
    Column("hash", Text, nullable=False, unique=True),
)

locks = Table(
    "locks",
    metadata,
    _key("name"),
    _required("holder", Text),
    _required("process", Json),
    _required("since", Text),
)

file_stats = Table(
    "file_stats",
    metadata,
    _key("path"),
    _required("size_bytes", BigInteger),
    _required("mtime_ns", BigInteger),
    _required("inode", BigInteger),
    _required("digest", Text),
)
