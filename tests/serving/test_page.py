"""The server's page in a real browser: it asks for a token where the server does, and shows the service levels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.serving import tokens
from penstock.serving.slots import SlotState

if TYPE_CHECKING:
    from tests.serving.conftest import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_asks_for_a_token_and_predicts_with_it(
    deploy: Callable[..., SlotState], start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """A wrong one is asked for again; the right one stays in the page alone."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    deploy(1)
    token = tokens.create(tmp_path / "serving", "desk", ["predict"]).text
    server = start_server("--settings", json.dumps({"objectives": {"availability": 0.99}}))
    asked: list[str] = []

    def give(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.accept("pst_wrong" if len(asked) == 1 else f" {token} ")

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.on("dialog", give)
        tab.goto(server.address)
        tab.wait_for_selector("#levels table")
        assert tab.text_content("#name") == "toy"
        assert "99.0 % of requests that the server answers" in tab.text_content("#levels")
        tab.click("button.main")
        tab.wait_for_selector("#answer .pill")
        assert tab.text_content("#answer .pill") in ("answers", "abstains")
        assert tab.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'
        browser.close()
    assert len(asked) == 2
    assert "does not count" in asked[1]
