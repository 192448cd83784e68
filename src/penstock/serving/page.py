"""The page at `/`: shows the model and lets a person try a row. One file without outside addresses; it asks `/model`."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def page() -> str:
    """The page's HTML."""
    return (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
