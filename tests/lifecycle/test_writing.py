"""How dates and numbers are written: said once, it holds from the file to the served answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.data.versions import load_version
from penstock.lifecycle.source import declared_source
from penstock.project.declaration import parse_declaration
from penstock.project.project import Project

Cli = Callable[..., Any]
US = 1_000_000


def source(folder: Path) -> Path:
    """Dates that read both ways, of which one way tells the target; prices with a comma that reads both ways."""
    dice = random.Random(0)
    lines = ["when,price,at,y"]
    for _ in range(300):
        day, month = dice.randint(1, 12), dice.randint(1, 12)
        price = f'"{dice.randint(1, 9)},{dice.randint(100, 999)}"'
        lines.append(f"{day:02}/{month:02}/2025,{price},2025-07-{day:02} 12:00,{int(day > 6)}")
    path = folder / "sales.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def decoder_of(project: Path) -> Any:
    opened = Project(project)
    head = opened.ledger.datasets.head(opened.name)
    assert head is not None
    return load_version(opened.objects, head).decoder


def test_what_is_guessed_is_proposed_and_what_is_said_is_served(penstock: Cli, tmp_path: Path) -> None:
    """`new` writes the guess as a line to settle it; with the other way said, files, contract and bundle read it so."""
    made = penstock(tmp_path, "new", "shop", "--data", str(source(tmp_path)), "--target", "y")
    assert made.code == 0, made
    project = tmp_path / "shop"
    declared = project / "penstock.toml"
    assert '# formats.when = "%m/%d/%Y"' in declared.read_text()
    assert any('formats.when = "%m/%d/%Y" under [data]' in warning for warning in made.body["warnings"])
    said = 'formats.when = "%d/%m/%Y"\ntimezone.at = "Europe/Berlin"\ndecimal.price = ","\n'
    declared.write_text(declared.read_text().replace('# formats.when = "%m/%d/%Y"\n', said))
    stopped = penstock(project, "run", "--budget", "1 trials").error
    assert {(b["id"], b["about"]) for b in stopped["breaches"]} == {
        ("contract-reading", "when"),
        ("contract-reading", "price"),
    }
    accepted = penstock(project, "data", "accept", "--reason", "days come first here").body["lines"]
    assert {'formats = ["%d/%m/%Y"]', 'decimal = ","'} < set(accepted)
    for _ in range(2):  # read otherwise, they reach otherwise
        penstock(project, "data", "accept", "--reason", "so it is")
    done = penstock(project, "run", "--budget", "1 trials")
    assert done.code == 0, done
    assert any("reads 'at' with timezone = 'UTC'" in warning for warning in done.body["warnings"])
    row = {"when": "03/02/2025", "price": "1,250", "at": "2025-07-01 12:00"}
    bundle = Bundle.load(project / "models" / "v1")
    for decoder in (decoder_of(project), bundle.decoder):
        frame, problems = decoder.decode_rows([row])
        assert not problems
        assert frame["when"][0] == 1_738_540_800 * US  # 3 February
        assert frame["price"][0] == 1.25
        assert frame["at"][0] == 1_751_364_000 * US  # 10:00 UTC
    assert penstock(project, "run", "--budget", "1 trials").body["steps"][-1]["status"] == "known"


def test_new_takes_formats_and_zone_as_options(penstock: Cli, tmp_path: Path) -> None:
    """They stand in the declaration; a time split goes by them."""
    made = penstock(
        tmp_path, "new", "shop", "--data", str(source(tmp_path)), "--target", "y", "--split", "time:when",
        "--date-format", "when=%d/%m/%Y", "--timezone", "Asia/Kolkata",
    )  # fmt: skip
    assert made.code == 0, made
    assert not any("both" in warning or "%d" in warning for warning in made.body["warnings"])
    at = {spec.name: spec for spec in decoder_of(tmp_path / "shop").columns}
    assert (at["when"].formats, at["when"].timezone) == (("%d/%m/%Y",), "Asia/Kolkata")
    assert at["at"].timezone == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--date-format", "when"), "write COLUMN=PATTERN"),
        (("--date-format", "when=dd.mm"), "is no format of dates"),
        (("--date-format", "wehn=iso"), "there is no column 'wehn'"),
        (("--date-format", "when=%Y-%m-%d"), "are no dates as %Y-%m-%d"),
        (("--timezone", "Berlin"), "no time zone"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    penstock: Cli, tmp_path: Path, options: tuple[str, str], said: str
) -> None:
    made = penstock(tmp_path, "new", "shop", "--data", str(source(tmp_path)), "--target", "y", *options)
    assert made.code == 2
    assert said in made.error["what"] + made.error["why"]
    assert not (tmp_path / "shop").exists()


def test_joins_as_of_a_time_take_what_is_said_of_the_rows() -> None:
    """It need not be said again; what `as_of` says of itself goes before it."""
    text = """
[data]
source = "a.csv"
target = "y"
formats.when = "%d/%m/%Y"
timezone = "Asia/Kolkata"
[[data.join]]
source = "rates.csv"
on = "shop"
as_of = { left = "when", right = "since" }
[[data.join]]
source = "other.csv"
on = "shop"
as_of = { left = "when", right = "since", left_formats = ["iso"], timezone = "UTC" }
"""
    told, own = (join["as_of"] for join in declared_source(parse_declaration(text).data)["joins"])
    assert (told["left_formats"], told["timezone"]) == (["%d/%m/%Y"], "Asia/Kolkata")
    assert "right_formats" not in told
    assert (own["left_formats"], own["timezone"]) == (["iso"], "UTC")
