"""MLflow's scoring interface: `/invocations` with its four forms of input and CSV, and `/ping`.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/, the REST API of a local server.
"""

from __future__ import annotations

import csv
import io
from functools import partial
from itertools import islice
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.bundle.signature import Signature
from penstock.errors import RequestError
from penstock.serving.asked import Rows, too_many_rows
from penstock.serving.beside import beside
from penstock.serving.bodies import parse_object
from penstock.serving.door import Door, answering, in_words
from penstock.serving.protocols.columns import rows_of_columns, rows_of_lists
from penstock.serving.refusals import refused

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
}


def routes(door: Door) -> list[Route]:
    """`/invocations` and `/ping`."""

    async def invocations(request: Request) -> Response:
        loaded = await door.worker.models.find()
        body = await door.body(request)
        media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        most = door.worker.settings.max_rows
        if media == "text/csv":
            rows = await beside(len(body), partial(_of_csv, body, most=most))
        elif media in ("application/json", ""):
            rows = await beside(len(body), partial(_of_json, body, loaded.bundle.signature, most=most))
        else:
            raise RequestError(
                f"the content type is {media!r}",
                why="a request is JSON or CSV",
                way_out="send application/json or text/csv",
                code="bad-content-type",
                status=415,
            )
        told = await door.answers(request, loaded, rows)
        predictions = await beside(len(told.answers), told.as_json)
        return Response(b'{"predictions":%b}' % predictions, media_type="application/json")

    async def ping(_: Request) -> Response:
        is_ready = door.worker.serving_or_none is not None
        return Response("\n", 200 if is_ready else 404, media_type="text/plain")

    return [
        Route("/invocations", answering(invocations, refuse, door.note), methods=["POST"]),
        Route("/ping", ping),
    ]


def _of_json(body: bytes, signature: Signature, *, most: int) -> Rows:
    asked = parse_object(body, with_nan=True)
    forms = [form for form in FORMS if form in asked]
    if len(forms) != 1:
        raise _wrong(
            f"the request has {' and '.join(forms) or 'none of the forms'}",
            f"exactly one of {', '.join(FORMS)} holds the rows",
            'send {"dataframe_records": [{"field": value}]}',
        )
    (form,) = forms
    given = asked[form]
    if form == "dataframe_split":
        if (
            not isinstance(given, dict)
            or not isinstance(given.get("columns"), list)
            or not isinstance(given.get("data"), list)
        ):
            raise _wrong(
                f"{form} is no table", "it has columns and data", 'send {"columns": [..], "data": [[..]]}', form
            )
        columns, data = given["columns"], given["data"]
        if not all(isinstance(name, str) for name in columns):
            raise _wrong(f"{form}.columns are no names", "each is a text", 'send {"columns": ["field", ...]}', form)
        _refuse_twice(columns, f"{form}.columns")
        if len(data) > most:  # before each becomes a row with names
            raise too_many_rows(len(data), most)
        for number, values in enumerate(data):
            if not isinstance(values, list) or len(values) != len(columns):
                raise _wrong(
                    f"{form}.data[{number}] does not fit the columns",
                    f"there are {len(columns)} of them",
                    "send one value for each",
                    f"{form}.data[{number}]",
                    code="bad-shape",
                )
        return [dict(zip(columns, values, strict=True)) for values in data]
    if form == "inputs" and isinstance(given, dict):
        columns = {name: v if isinstance(v, list) else [v] for name, v in given.items()}
        return rows_of_columns(columns, path=form, most=most)
    if not isinstance(given, list):
        raise _wrong(f"{form} is no list", "each entry is a row", f'send {{"{form}": [{{"field": value}}]}}', form)
    if form == "dataframe_records" or all(isinstance(row, dict) for row in given):
        return list(given)
    return rows_of_lists(given, signature, path=form)


def _of_csv(body: bytes, *, most: int) -> Rows:
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        lines = (line for line in reader if line)  # blank ones are none, as pandas has it, and so MLflow
        names = next(lines, None)
        records = list(islice(lines, most))
        more = sum(1 for _ in lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong("the body is no CSV in UTF-8", str(error), "send CSV with names in its first line") from None
    if names is None:
        raise _wrong("the body is empty", "the first line holds the names", "send CSV with names in its first line")
    _refuse_twice(names, "columns")
    if more:
        raise too_many_rows(most + more, most)
    rows = []
    for number, values in enumerate(records):
        if len(values) != len(names):
            raise _wrong(
                f"record {number + 1} has {len(values)} values", f"there are {len(names)} names", "mend it", f"rows[{number}]",
                code="bad-shape",
            )  # fmt: skip
        rows.append(dict(zip(names, values, strict=True)))
    return rows


def _refuse_twice(names: list[str], path: str) -> None:
    """
    Raises
    ------
    RequestError : two columns have one name: which of them is meant is not known.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _wrong(f"there are two columns {name!r}", "each field has one value", "send it once", path)
        seen.add(name)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse(error: Exception) -> Response:
    """An error in the shape that clients of this protocol read."""
    status, said = refused(error)
    code = _CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETER_VALUE")
    return _json({"error_code": code, "message": in_words(said), "code": said["code"], "path": said["path"]}, status)


def _wrong(what: str, why: str, way_out: str, path: str = "", *, code: str = "bad-request") -> RequestError:
    return RequestError(what, why=why, way_out=way_out, path=path, code=code)
