"""A route of FastAPI. ``python fastapi_route.py PORT``; the bundle is named by the variable BUNDLE."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from graph import Graph
from pydantic import BaseModel


class Asked(BaseModel):
    """A request."""

    rows: list[dict[str, float]]


app, graph = FastAPI(), Graph()


@app.post("/predict")
async def predict(asked: Asked) -> dict[str, Any]:
    """The answers."""
    return graph.rows(asked.rows)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop", http="httptools")
