"""What `/openapi.json` says: OpenAPI 3.1, with the fields of a row as the live model declares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.bundle.kinds import Kind
from penstock.bundle.signature import InputColumn, WhenMissing
from penstock.serving.known import Known, Says
from penstock.serving.models import Offered
from penstock.serving.operations import body, completed, components, content, reading
from penstock.serving.protocols.described import protocol_paths


def describe(known: Known, offered: Sequence[Offered], answers_without: Callable[[str], bool]) -> dict[str, Any]:
    """The description of this server.

    Parameters
    ----------
    known : the version whose fields are described. offered : all that may be asked.
    answers_without : whether whoever has no token may do what needs a scope.
    """
    signature = known.bundle.signature
    entry = known.entry
    names = sorted({one.model for one in offered})
    classifies = signature.task.is_classification
    classes = list(signature.target.classes)
    label: dict[str, Any] = {"enum": classes} if classes else {"type": "number"}
    policies = signature.missing
    row: dict[str, Any] = {
        "type": "object",
        "properties": {column.name: _field(column, policies.get(column.name, "fill")) for column in signature.columns},
        "additionalProperties": signature.extra_fields == "ignore",
        "description": "Fields that are absent or null are filled as in training, unless they say otherwise.",
        **({"required": sorted(refused)} if (refused := signature.fields_that("refuse")) else {}),
    }
    if signature.key is not None:
        row["properties"][signature.key] = {"description": "Names the row; echoed as `key`."}
    history = known.bundle.decoder.history
    for spec in () if history is None else history.specs:
        row["properties"].setdefault(spec.name, {"description": "Read by the columns that look back."})
    row["properties"].setdefault(signature.target.name, {"description": "The target; ignored where given."})
    prediction: dict[str, Any] = {
        "type": "object",
        "required": ["id", "prediction", "decision", "novelty", "missing", "unknown"],
        "properties": {
            "id": {"type": "string", "description": "Name it when the outcome is known: POST /labels."},
            "key": {"type": "string"},
            "prediction": {"anyOf": [label, {"type": "null"}], "description": "null where the model abstains"},
            "decision": {"enum": ["answer", "abstain"]},
            "reason": {"type": ["string", "null"]},
            "novelty": {"type": "number"},
            "missing": {"type": "array", "items": {"type": "string"}},
            "unknown": {"type": "array", "items": {"type": "string"}},
            **_instead(known.bundle),
            "version": {
                "type": "integer",
                "description": "Only where another version than that of the response answered.",
            },
            "slot": {"type": "string", "description": "With `version`."},
        },
    }
    if classifies:
        shares = {"type": ["object", "null"], "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}}
        prediction["properties"]["probabilities"] = shares
    else:
        bounds = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        prediction["properties"]["interval"] = bounds
    example = {c.name: c.example for c in signature.columns if c.example is not None}
    paths = {
        "/predict": {"post": _predict(example, names, looks_back=known.bundle.decoder.history is not None)},
        "/labels": {"post": _labels(label)},
        "/healthz": {"get": reading("The process is alive.")},
        "/readyz": {"get": reading("A slot is live and has passed its self-test; 503 while none is.")},
        "/model": {"get": _about_any("Signature, card and lineage of a version.", names)},
        "/models": {"get": reading("Every version that may be asked, and its state.")},
        "/objectives": {"get": reading("Service levels: error budgets and how fast they burn.")},
        "/metrics": {"get": reading("Counters for Prometheus.", "text/plain")},
        "/openapi.json": {"get": _about_any("This description.", names)},
        "/": {"get": reading("A page to try a row.", "text/html")},
    }
    common = components()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{entry.model}: predicts {signature.target.name}",
            "version": str(entry.version),
            "description": "Served by Penstock.",
        },
        "paths": completed({**paths, **protocol_paths(signature, offered)}, answers_without),
        "components": {**common, "schemas": {"Row": row, "Prediction": prediction, **common["schemas"]}},
    }


def _instead(bundle: Says) -> dict[str, Any]:
    """What answers have where other models may answer."""
    texts = {"type": "array", "items": {"type": "string"}}
    said: dict[str, Any] = {}
    if bundle.signature.missing:
        said["filled"] = {**texts, "description": "Of those that are missing: filled as in training."}
    if bundle.fallbacks:
        why = "Another model answered: this one would have been late, or a field is missing."
        said["fallback"] = {"enum": sorted(bundle.fallbacks), "description": why}
    return said


_JSON_TYPES: dict[Kind, list[str]] = {
    Kind.NUMERIC: ["number", "string", "null"],
    Kind.DATETIME: ["string", "null"],
    Kind.TEXT: ["string", "null"],
}


def _field(column: InputColumn, when_missing: WhenMissing) -> dict[str, Any]:
    types = _JSON_TYPES.get(column.kind, ["string", "number", "boolean", "null"])
    schema: dict[str, Any] = {"type": types[:-1] if when_missing == "refuse" else types}
    if column.example is not None:
        schema["examples"] = [column.example]
    words = str(column.kind)
    if column.known:
        words += ": " + ", ".join(column.known[:20]) + (" ..." if len(column.known) > 20 else "")
    if column.known:
        words += ". Other values are answered, and listed as unknown."
    if when_missing == "fallback":
        words += ("" if column.known else ".") + " Absent or null: another model answers, which does without."
    schema["description"] = words
    return schema


_HISTORY = {
    "type": "array",
    "items": {"type": "object"},
    "description": "Earlier rows, at most 10,000: each row sees those of its key that are strictly earlier.",
}


def _predict(example: dict[str, Any], models: list[str], *, looks_back: bool) -> dict[str, Any]:
    request = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
            **({"history": _HISTORY} if looks_back else {}),
            "model": {"anyOf": [{"enum": models}, {"type": "null"}], "description": "Default: the one in the slots."},
            "version": {
                "type": ["integer", "string", "null"],
                "description": "A number, latest, champion, a slot or a label; default: what answers by itself.",
            },
            "deadline_ms": {
                "type": ["number", "null"],
                "exclusiveMinimum": 0,
                "maximum": 86_400_000,
                "description": "From the arrival of the request; one that cannot be answered in time is refused (503).",
            },
        },
    }
    answer = {
        "type": "object",
        "required": ["model", "version", "slot", "predictions"],
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "integer"},
            "slot": {"enum": ["blue", "green", "shelf"]},
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
        },
    }
    return {
        "summary": "Predict rows. One wrong row refuses the request.",
        "requestBody": body({**request, "examples": [{"rows": [example]}]}),
        "responses": {"200": content("The predictions, in the order of the rows.", answer)},
    }


def _labels(label: dict[str, Any]) -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    item = {
        "type": "object",
        "required": ["label"],
        "properties": {
            "id": {**text, "description": "of the prediction"},
            "key": {"description": "of the row, where the id is not known: its latest prediction"},
            "model": {**text, "description": "whose latest prediction with that key; default: of the one in the slots"},
            "label": label,
            "author": text,
            "at": {**text, "description": "ISO 8601, default now; the latest holds"},
        },
    }
    rejected = {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "code": {"enum": ["unknown-prediction", "expired", "bad-label", "missing-field", "unknown-model"]},
            "why": {"type": "string"},
        },
    }
    request = {"type": "object", "required": ["labels"], "properties": {"labels": {"type": "array", "items": item}}}
    answer = {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {
            "accepted": {"type": "integer"},
            "rejected": {"type": "array", "items": rejected},
            "unmatched": {"type": "integer", "description": "accepted ones whose prediction another server gave"},
        },
    }
    return {
        "summary": "Say what really happened. Sending a label again changes nothing.",
        "requestBody": body({**request, "additionalProperties": False}),
        "responses": {"200": content("What was accepted, and what was not.", answer)},
    }


def _about_any(text: str, models: list[str]) -> dict[str, Any]:
    """An address that tells of the live version, or of another one where its query names it."""
    schemas = {"model": {"enum": models}, "version": {"type": "string"}}
    named = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    return {**reading(text), "parameters": named}
