"""A service of BentoML. ``bentoml serve bentoml_service:Model --port PORT``; the bundle is named by the variable BUNDLE."""

from typing import Any

import bentoml
from graph import Graph


@bentoml.service(workers=1)
class Model:
    """The graph."""

    def __init__(self) -> None:
        self.graph = Graph()

    @bentoml.api
    def predict(self, rows: list[dict[str, float]]) -> dict[str, Any]:
        """The answers."""
        return self.graph.rows(rows)
