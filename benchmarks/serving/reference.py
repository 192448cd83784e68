"""The yardstick: the least that can answer the same request. A bare ASGI callable that decodes the JSON and runs the same graph.

No checks, no missing values, no journal, no metrics, no ids. ``python reference.py BUNDLE`` prints its address as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn

from penstock.bundle.graph import open_session


def make_app(bundle: Path) -> Any:
    """The ASGI callable."""
    session = open_session((bundle / "graph.onnx").read_bytes())
    signature = json.loads((bundle / "signature.json").read_bytes())
    names = [column["name"] for column in signature["columns"]]
    outputs = ["label", "probabilities", "novelty", "decision", "outside"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        rows = orjson.loads(message["body"])["rows"]
        numbers = np.array([[row[name] for name in names] for row in rows], dtype=np.float32)
        label, probabilities, novelty, decision, _ = session.run(outputs, {"numbers": numbers})
        body = orjson.dumps(
            {
                "label": label.tolist(),
                "probabilities": probabilities.tolist(),
                "novelty": novelty.tolist(),
                "decision": decision.tolist(),
            }
        )
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    app = make_app(Path(sys.argv[1]))
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_config=None,
        server_header=False, interface="asgi3",
    )  # fmt: skip
    print(json.dumps({"address": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
