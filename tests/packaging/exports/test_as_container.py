"""The container's instructions are followed in an environment of its own, and the server that comes of it answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.packaging.exports.as_container import USER_ID, Container
from penstock.packaging.exports.closure import SERVER
from penstock.packaging.exports.exporter import Shipment, export
from penstock.testing.toy_bundle import ROWS


def instructions(folder: Path) -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest) pairs, continued lines joined."""
    text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_context_holds_all_that_is_copied(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Nothing from outside the folder, nothing as root at run time, no lock or journal of this machine."""
    folder = export(Container(), shipment(serving={"deadline_ms": 50}), tmp_path / "c").folder
    steps = instructions(folder)
    copied = [word for step, rest in steps if step == "COPY" for word in rest.split()[:-1] if not word.startswith("--")]
    assert all((folder / name).exists() for name in copied)
    assert ("USER", str(USER_ID)) in steps
    assert steps[0] == ("FROM", f"python:{sys.version_info.major}.{sys.version_info.minor}-slim")
    assert sorted(p.name for p in (folder / "serving").iterdir()) == ["bundles", "slots.json"]
    entry = json.loads(dict(steps)["ENTRYPOINT"])
    assert json.loads(entry[entry.index("--settings") + 1]) == {"deadline_ms": 50}
    assert [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().split()] == list(SERVER)


@pytest.mark.slow
def test_its_own_instructions_make_a_server_of_less_than_250_mb(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """The RUN lines install into an empty environment; the ENTRYPOINT answers the bundle's own examples."""
    shipped = shipment()
    folder = export(Container(workers=2), shipped, tmp_path / "c").folder
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    steps = instructions(folder)
    (run,) = (rest for step, rest in steps if step == "RUN")
    for command in re.split(r"\s*&&\s*", run):
        words = [word.replace("/tmp/", f"{folder}/") for word in shlex.split(command)]
        if words[:2] == ["pip", "install"]:
            subprocess.run([environment / "bin" / "python", "-m", *words, "-q"], check=True, timeout=280)
    site = next(environment.glob("lib/python*/site-packages"))
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < 250e6
    assert not list(site.glob("lightgbm*"))
    entry = json.loads(dict(steps)["ENTRYPOINT"])
    words = [word.replace("/srv/serving", str(folder / "serving")) for word in entry[1:]]
    words[words.index("--port") + 1] = "0"
    server = subprocess.Popen(
        [environment / "bin" / "python", *words], stdout=subprocess.PIPE, cwd="/", env={"PATH": os.environ["PATH"]}
    )
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"].replace("0.0.0.0", "127.0.0.1")
        body = json.dumps({"rows": ROWS}).encode()
        request = urllib.request.Request(f"{address}/predict", body, {"content-type": "application/json"})
        answers = json.loads(urllib.request.urlopen(request, timeout=10).read())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    expected = json.loads(json.dumps(shipped.bundle.predict(ROWS)))
    assert answers["version"] == 3
    for answer, of_bundle in zip(answers["predictions"], expected, strict=True):
        assert {k: v for k, v in answer.items() if k != "id"} == {k: v for k, v in of_bundle.items() if k != "withheld"}


def test_another_folder_can_be_taken_as_the_state_of_a_server(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """The slot is live, and its bundle is the one that was shipped."""
    from penstock.serving.slots import read_slots

    shipped = shipment(deployment={"test": {"roc_auc": {"value": 0.8}}})
    folder = export(Container(), shipped, tmp_path / "c").folder
    entry = read_slots(folder / "serving").live_entry
    assert entry is not None
    assert (entry.model, entry.version, entry.bundle) == ("toy", 3, shipped.bundle.digest)
    assert entry.deployment["test"]["roc_auc"]["value"] == 0.8
