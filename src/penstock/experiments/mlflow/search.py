"""MLflow's search for runs: its own language decides; what SQL can say at once narrows down what it has to look at."""

from __future__ import annotations

import math
from typing import Any

from mlflow.entities import Run, ViewType
from mlflow.utils.search_utils import SearchUtils

from penstock.experiments.mlflow.experiments import check_most
from penstock.experiments.mlflow.runs import COLUMNS, RunsOfMlflow
from penstock.experiments.mlflow.values import EXPERIMENT_TAG, MLFLOW_STATUS, metric_name
from penstock.ledger.ledger import Ledger

_DELETED = {ViewType.ACTIVE_ONLY: False, ViewType.DELETED_ONLY: True, ViewType.ALL: None}
_ORDERS = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_BY_TIME = {
    ("attribute", "start_time", False): "r.started_at DESC, r.id",
    ("attribute", "start_time", True): "r.started_at, r.id",
}


def search_runs(
    ledger: Ledger,
    runs: RunsOfMlflow,
    experiment_ids: list[str],
    filter_string: str | None,
    view_type: int,
    max_results: int,
    order_by: list[str] | None,
    page_token: str | None,
) -> tuple[list[Run], str | None]:
    """One page of the runs that match, and the token of the next."""
    check_most(max_results)
    if not experiment_ids:
        return [], None
    conditions = ["r.id IN (SELECT t.run FROM run_tags t WHERE t.name = :experiment_tag AND t.value IN :experiments)"]
    params: dict[str, Any] = {"experiment_tag": EXPERIMENT_TAG, "experiments": [str(one) for one in experiment_ids]}
    exact = True  # whether SQL says all that the filter says
    for number, clause in enumerate(SearchUtils.parse_search_filter(filter_string)):
        condition, values, whole = _sql(clause, f"f{number}")
        if condition:
            conditions.append(condition)
            params |= values
        exact = exact and whole
    order, limit = _order(order_by), None
    if exact and order is not None:
        limit = SearchUtils.parse_start_offset_from_page_token(page_token) + max_results + 1
    found = ledger.summaries(
        where=(" AND ".join(conditions), params),
        deleted=_DELETED[view_type],
        order=order or "r.started_at DESC, r.id",
        limit=limit,
        columns=COLUMNS,
    )
    matching = SearchUtils.filter([runs.entity(one) for one in found], filter_string)
    page, token = SearchUtils.paginate(SearchUtils.sort(matching, order_by), page_token, max_results)
    return page, token


def _order(order_by: list[str] | None) -> str | None:
    """The order in SQL, where it is by time; None where MLflow must sort."""
    if not order_by:
        return _BY_TIME["attribute", "start_time", False]
    if len(order_by) > 1:
        return None
    return _BY_TIME.get(SearchUtils.parse_order_by_for_search_runs(order_by[0]))


def _sql(clause: dict[str, Any], name: str) -> tuple[str, dict[str, Any], bool]:
    """A condition that all matching runs meet ("" for none), its parameters, and whether only they meet it."""
    kind, key, value, comparator = clause["type"], clause["key"], clause["value"], clause["comparator"].upper()
    if kind == "tag" and comparator == "=" and isinstance(value, str):
        condition = f"r.id IN (SELECT t.run FROM run_tags t WHERE t.name = :{name}n AND t.value = :{name}v)"
        return condition, {f"{name}n": key, f"{name}v": value}, key != EXPERIMENT_TAG
    if kind == "attribute" and key == "run_id" and comparator == "=":
        return f"r.id = :{name}", {name: value}, True
    if kind == "attribute" and key == "status" and comparator == "=":
        wanted = [status for status, word in MLFLOW_STATUS.items() if word == value]
        return f"r.status IN :{name}", {name: wanted}, True
    if kind == "metric" and comparator in _ORDERS and math.isfinite(number := float(value)):
        # the tables of a run that goes on, or was killed, may be behind its log
        condition = (
            f"(r.status IN :{name}live OR r.id IN (SELECT m.run FROM run_metrics m "
            f"WHERE m.name = :{name}n AND m.value {comparator} :{name}v))"
        )
        live = ["running", "interrupted"]
        return condition, {f"{name}live": live, f"{name}n": metric_name(key), f"{name}v": number}, False
    return "", {}, False
