"""The page at `/`: shows the model and lets a person try a row. One file without outside addresses; it asks `/model`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BACKEND = "<!-- backend -->\n"


@cache
def page(backend: str = "") -> str:
    """The page's HTML.

    Parameters
    ----------
    backend : a script that sets `window.penstock` to (a promise of) a module with `ask(address, body)`, which then answers
        in the place of a server.
    """
    text = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return text.replace(_BACKEND, backend)
