"""A server of LitServe. ``python litserve_server.py PORT``; the bundle is named by the variable BUNDLE."""

import sys
from typing import Any

import litserve
from graph import Graph


class Api(litserve.LitAPI):
    """Decode, predict, encode, as its documentation has them."""

    def setup(self, device: str) -> None:
        self.graph = Graph()

    def decode_request(self, request: dict[str, Any]) -> list[dict[str, float]]:
        return request["rows"]

    def predict(self, x: list[dict[str, float]]) -> dict[str, Any]:
        return self.graph.rows(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    litserve.LitServer(Api(), accelerator="cpu").run(
        port=int(sys.argv[1]), log_level="error", generate_client_file=False
    )
