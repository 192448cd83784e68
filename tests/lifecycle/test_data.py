"""`penstock data`: what is told of the training rows, and of files that may hold test rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]


def test_a_file_is_checked_as_the_source_is_declared_to_be_written(penstock: Cli, rows_of: Cli, tmp_path: Path) -> None:
    """Its delimiter and quotes are those of the declaration; so the very source holds its test rows."""
    lines = [f"{row['age'] or ''}|{row['income']}|{row['job'] or ''}|{row['bought']}" for row in _renamed(rows_of(400))]
    source = tmp_path / "odd.dat"
    source.write_text("\n".join(["age|income|job, if any|bought", *lines]) + "\n", encoding="utf-8")
    made = penstock(
        tmp_path, "new", "shop", "--data", str(source), "--target", "bought", "--delimiter", "|", "--quote", "none"
    )
    assert made.code == 0, made
    checked = penstock(tmp_path / "shop", "data", "check", str(source))
    assert checked.code == 1
    assert checked.body["rows"] == 400
    assert checked.body["test_rows"] > 0
    assert checked.body["unreadable"] == 0


def _renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A job that holds a comma and a quote, as no guess at the delimiter would like it."""
    return [{**row, "income": row["net income"], "job": f'{row["job"]}, "very" so'} for row in rows]


def test_the_profile_is_told_and_drawn(penstock: Cli, project_at: Any, tmp_path: Path) -> None:
    """Training rows alone; the page lies under reports/, or where it is asked for."""
    folder = project_at("new")
    body = penstock(folder, "data", "profile").body
    assert (body["part"], body["page"]) == ("train", "reports/data-profile.html")
    assert body["rows"] == sum(body["classes"].values()) == 1320
    assert "Columns with each other" in (folder / "reports" / "data-profile.html").read_text(encoding="utf-8")
    elsewhere = tmp_path / "page.html"
    assert penstock(folder, "data", "profile", "--html", str(elsewhere)).body["page"] == str(elsewhere)
    assert elsewhere.is_file()
    wrong = penstock(folder, "data", "profile", "--html", str(tmp_path / "no" / "page.html"))
    assert (wrong.code, "there is no folder" in wrong.error["what"]) == (2, True)
