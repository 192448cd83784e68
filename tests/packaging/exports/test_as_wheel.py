"""The wheel is installed in an environment without Penstock, and answers as the bundle does."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from penstock.packaging.exports.as_wheel import Wheel
from penstock.packaging.exports.exporter import Shipment, export
from penstock.testing.toy_bundle import ROWS


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has numpy and onnxruntime, and neither Penstock nor its source."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=True)
    here = next(folder.glob("lib/python*/site-packages"))
    shared = Path(numpy.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "onnxruntime", "flatbuffers", "google", "packaging"):
        if (shared / name).exists():
            (here / name).symlink_to(shared / name)
    return folder / "bin" / "python"


def run(python: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *arguments], input=text, capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture(scope="module")
def installed(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Shipment], None]:
    """Installs the wheel of a shipment, without what it requires: that is there."""
    folder = tmp_path_factory.mktemp("wheels")

    def install(shipment: Shipment) -> None:
        done = export(Wheel(), shipment, folder / shipment.bundle.signature.task)
        (wheel,) = (name for name in done.files if name.endswith(".whl"))
        out = run(python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", str(done.folder / wheel))
        assert out.returncode == 0, out.stderr

    return install


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_package_answers_as_the_bundle_does(
    shipment: Callable[..., Shipment], installed: Callable[[Shipment], None], python: Path, task: str
) -> None:
    """Bit for bit, where Penstock cannot be imported."""
    shipped = shipment(task)
    installed(shipped)
    code = (
        "import json, sys, toy_model; toy_model.self_test()\n"
        "print(json.dumps(toy_model.predict(json.load(sys.stdin))))\n"
        "import importlib.util; assert importlib.util.find_spec('penstock') is None"
    )
    done = run(python, "-c", code, text=json.dumps(ROWS))
    assert done.returncode == 0, done.stderr
    expected = [{k: v for k, v in answer.items() if k != "withheld"} for answer in shipped.bundle.predict(ROWS)]
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))


def test_the_command_reads_csv_and_json_lines(
    shipment: Callable[..., Shipment], installed: Callable[[Shipment], None], python: Path, tmp_path: Path
) -> None:
    """One answer a line; a wrong value or record is told, with exit 2."""
    installed(shipment())
    command = str(python.with_name("toy-model"))
    rows = tmp_path / "rows.csv"
    rows.write_text('age,job,note\n41,nurse,"two\nlines"\n33,,\n', encoding="utf-8-sig")
    answers = subprocess.run([command, rows], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [json.loads(line)["missing"] for line in answers] == [
        ["income", "member", "joined"],
        ["income", "job", "member", "joined", "note"],
    ]
    lines = subprocess.run([command], input='{"age": 41}\n\n{"age": 30}\n', capture_output=True, text=True, check=True)
    assert len(lines.stdout.splitlines()) == 2
    for text, why in (('{"age": "old"}', "is not a number"), ("[1]", "no object"), ("{", "no JSON")):
        wrong = subprocess.run([command], input=text, capture_output=True, text=True, check=False)
        assert wrong.returncode == 2
        assert why in wrong.stderr


def test_equal_bundles_give_equal_wheels(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """So that the digest of a wheel names what is in it."""
    one, two = (export(Wheel(), shipment(), tmp_path / name).folder for name in ("one", "two"))
    (wheel,) = (path.name for path in one.glob("*.whl"))
    assert (one / wheel).read_bytes() == (two / wheel).read_bytes()


def test_its_metadata_is_what_pip_wants(
    shipment: Callable[..., Shipment], installed: Callable[[Shipment], None], python: Path
) -> None:
    """Name, version, what it requires, and the model card as its description."""
    installed(shipment())
    code = "import importlib.metadata as m; d = m.metadata('toy-model'); print(d['Version'], d.get_all('Requires-Dist'), d.get_payload())"
    out = run(python, "-c", code).stdout
    assert out.startswith("3.0 ['numpy>=")
    assert "onnxruntime>=" in out
    assert "# toy 1" in out
