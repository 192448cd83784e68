"""What OpenAPI says of every address alike: the token that it asks for, how it may refuse, and which headers it reads.

An address is described by its own module as far as it differs from others: what it takes, and what it answers when all is well. The rest
follows from what it needs and what it reads, so that no address can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.serving.callers import ANY, scope_of
from penstock.serving.tokens import SCOPES
from penstock.serving.urgency import LONGEST_MS

Paths = dict[str, dict[str, Any]]

_REASONS = {
    400: "The request is not what the address or the model takes; or its head is no HTTP/1.1, or ambiguous.",
    401: "No token, or none that counts.",
    403: "The token lacks the scope; or a web page of another origin asks, or by a name that is not the server's.",
    404: "There is no such model or version here.",
    408: "The head or the body did not arrive in time.",
    413: "The body is larger, or has more rows, than the server or the consumer's rate allows.",
    415: "The body is packed, or of another content type.",
    429: "The consumer asks more often than its rate allows.",
    431: "There are more headers, or longer ones, than the server reads.",
    500: "A fault of the server; what it is stands in its log alone.",
    503: "Nothing is live, the model cannot be loaded, the answer would come too late, or there is no room for it.",
}
_HEADERS: dict[int, tuple[str, bool, dict[str, Any]]] = {
    401: ("WWW-Authenticate", True, {"type": "string"}),
    403: ("WWW-Authenticate", False, {"type": "string"}),
    429: ("Retry-After", True, {"type": "integer", "minimum": 1}),
    503: ("Retry-After", False, {"type": "integer", "minimum": 1}),
}
"""What a refusal carries, whether always, and its form."""

_ALWAYS = (400, 408, 431, 500, 503)
_OF_TOKENS = (401, 403, 429)
_OF_BODIES = (413, 415)
_OF_CONNECTIONS = frozenset({400, 408, 431, 503})
"""What a connection refuses by itself, in the shape of this server, whichever protocol's address is asked."""

_OURS, _TEXT, _MLFLOW = "Error", "TextError", "MlflowError"
_MARKS = {
    "code": {"type": "string", "description": "Permanent: programs may rely on it."},
    "path": {"type": "string", "description": "The field, as in rows[3].age; empty where there is none."},
}
_SHAPES: dict[str, dict[str, Any]] = {
    _OURS: {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "what", "why", "try", "path"],
                "properties": {name: {"type": "string"} for name in ("what", "why", "try")} | _MARKS,
            }
        },
    },
    _TEXT: {
        "type": "object",
        "required": ["error", "code", "path"],
        "properties": {"error": {"type": "string"}, **_MARKS},
    },
    _MLFLOW: {
        "type": "object",
        "required": ["error_code", "message", "code", "path"],
        "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}, **_MARKS},
    },
}
"""How a refusal is told: ours, that of the Open Inference Protocol and of TensorFlow Serving, MLflow's."""


def completed(paths: Paths, answers_without: Callable[[str], bool]) -> Paths:
    """The paths, each operation with its security, its refusals, and the headers that it reads.

    Parameters
    ----------
    answers_without : whether whoever has no token may do what needs a scope, as the server is set now.
    """
    return {
        path: {
            method: _whole(path, operation, scope_of(method.upper(), path), answers_without)
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }


def components() -> dict[str, dict[str, Any]]:
    """What `completed` refers to: schemas, responses, parameters, security schemes."""
    deadline = {
        "name": "x-deadline-ms",
        "in": "header",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_MS},
        "description": "From the arrival of the request; one that cannot be answered in time is refused (503).",
    }
    priority = {
        "name": "x-priority",
        "in": "header",
        "schema": {"enum": ["high", "normal", "low"]},
        "description": "Whose turn comes first; default: normal. At most what the consumer was given counts.",
    }
    token = {
        "type": "http",
        "scheme": "bearer",
        "description": "Of a declared consumer: penstock tokens create. Scopes are "
        + "; ".join(f"{scope}: {text}" for scope, text in SCOPES.items())
        + ". An address that names none takes any token.",
    }
    return {
        "schemas": dict(_SHAPES),
        "responses": {_name(shape, status): _refusal(shape, status) for shape in _SHAPES for status in _REASONS},
        "parameters": {"Deadline": deadline, "Priority": priority},
        "securitySchemes": {"token": token},
    }


def content(text: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    """A response."""
    return {"description": text, "content": {media: {"schema": schema}}}


def body(schema: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    """What a request brings: JSON, or what `others` say by the name of a content type of text."""
    media = {"application/json": {"schema": schema}}
    media |= {f"text/{name}": {"schema": other} for name, other in others.items()}
    return {"required": True, "content": media}


def reading(text: str, media: str = "application/json") -> dict[str, Any]:
    """An operation that takes nothing and tells something."""
    return {
        "summary": text,
        "responses": {"200": content(text, {"type": "object" if media == "application/json" else "string"}, media)},
    }


def _whole(
    path: str, operation: dict[str, Any], needed: str | None, answers_without: Callable[[str], bool]
) -> dict[str, Any]:
    given = operation.get("parameters", [])
    statuses = {*_ALWAYS}
    if needed is not None:
        statuses.update(_OF_TOKENS)
    if "requestBody" in operation:
        statuses.update(_OF_BODIES)
    if path == "/predict" or any(parameter["name"] == "model" for parameter in given):
        statuses.add(404)
    shape = _shape_of(path)
    refusals = {str(one): {"$ref": f"#/components/responses/{_name(shape, one)}"} for one in sorted(statuses)}
    read = ("Deadline", "Priority") if needed == "predict" else ()
    return {
        **operation,
        "security": _security(needed, answers_without),
        "parameters": [*given, *({"$ref": f"#/components/parameters/{name}"} for name in read)],
        "responses": refusals | operation["responses"],  # what an address says of a status itself counts
    }


def _security(needed: str | None, answers_without: Callable[[str], bool]) -> list[dict[str, list[str]]]:
    if needed is None:
        return []
    with_token = {"token": [] if needed == ANY else [needed]}
    return [{}, with_token] if answers_without(needed) else [with_token]


def _refusal(shape: str, status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{shape}"}
    if shape != _OURS and status in _OF_CONNECTIONS:
        said = content(_REASONS[status], {"anyOf": [schema, {"$ref": f"#/components/schemas/{_OURS}"}]})
    else:
        said = content(_REASONS[status], schema)
    if status in _HEADERS:
        name, always, form = _HEADERS[status]
        said["headers"] = {name: {"required": always, "schema": form}}
    return said


def _name(shape: str, status: int) -> str:
    return f"{shape}{status}"


def _shape_of(path: str) -> str:
    if path in ("/invocations", "/ping"):
        return _MLFLOW
    return _TEXT if path == "/v2" or path.startswith(("/v1/", "/v2/")) else _OURS
