"""The programs beside the graph are run as a newcomer would run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.bundle.runtime import Bundle
from penstock.packaging.exports.as_onnx import Onnx
from penstock.packaging.exports.exporter import Shipment, export
from penstock.testing.toy_bundle import write_toy_bundle

TASKS = ("binary", "multiclass", "regression")


@pytest.mark.parametrize("task", TASKS)
def test_the_program_in_python_gets_what_the_bundle_got(
    shipment: Callable[..., Shipment], tmp_path: Path, task: str
) -> None:
    """From example.json alone, without Penstock."""
    folder = export(Onnx(), shipment(task), tmp_path / "onnx").folder
    program = [sys.executable, folder / "predict.py", "--time", "20"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/")
    assert "one row: median" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "decision: as expected" in done.stdout


def test_the_program_in_python_notices_a_wrong_answer(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """It would not pass whatever the graph says."""
    folder = export(Onnx(), shipment(), tmp_path / "onnx").folder
    example = json.loads((folder / "example.json").read_text())
    example["outputs"]["probabilities"]["values"][0] += 0.01
    (folder / "example.json").write_text(json.dumps(example))
    done = subprocess.run([sys.executable, folder / "predict.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout


@pytest.mark.parametrize("task", TASKS)
def test_the_program_in_javascript_answers_raw_rows(
    shipment: Callable[..., Shipment], tmp_path: Path, ort_runtime: Path, task: str
) -> None:
    """Through the decoder in JavaScript, in Node.js."""
    node = shutil.which("node")
    assert node is not None  # npm came with it
    folder = export(Onnx(), shipment(task), tmp_path / "onnx").folder
    (folder / "node_modules").symlink_to(ort_runtime)
    done = subprocess.run([node, "predict.mjs"], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as expected") == 6


@pytest.mark.parametrize(
    ("policy", "says"), [("refuse", "refused before"), ("fallback", "`fallback-missing.onnx`"), ("fill", "")]
)
def test_the_readme_tells_what_a_caller_has_to_see_to(tmp_path: Path, policy: str, says: str) -> None:
    """The graph alone fills what is missing; whoever declared otherwise must not find that out later."""
    folder = write_toy_bundle(tmp_path / "toy", missing={"income": policy})  # type: ignore[dict-item]
    bundle = Bundle.load(folder)
    shipped = export(Onnx(), Shipment(bundle, version=1), tmp_path / "onnx")
    page = (shipped.folder / "README.md").read_text(encoding="utf-8")
    assert ("A row without `income`" in page) is bool(says)
    assert says in page
    if policy == "fallback":
        assert (shipped.folder / "fallback-missing.onnx").is_file()
        assert (shipped.folder / "fallback-missing.json").is_file()


@pytest.mark.parametrize("task", TASKS)
def test_the_readme_tells_inputs_outputs_and_classes(
    shipment: Callable[..., Shipment], tmp_path: Path, task: str
) -> None:
    """What a person needs who packs the inputs in another language."""
    folder = export(Onnx(), shipment(task), tmp_path / "onnx").folder
    text = (folder / "README.md").read_text()
    assert "| `numbers` | float32 | rows x 2 | `age`, `income` |" in text
    assert "| `times` | int64 | rows x 1 | `joined` |" in text
    assert "| `decision` | int64 | rows |" in text
    assert ("0 = `no`, 1 = `yes`" in text) == (task == "binary")


@pytest.mark.parametrize("task", TASKS)
def test_the_program_in_cpp_has_the_example_and_notices_a_wrong_answer(
    shipment: Callable[..., Shipment], tmp_path: Path, task: str
) -> None:
    """What it compares with is example.json to the last bit, whatever its texts hold; without onnxruntime."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ is installed")
    folder = export(Onnx(), shipment(task), tmp_path / "onnx").folder
    example = json.loads((folder / "example.json").read_text())
    names = [*example["inputs"], *(f"expected_{name}" for name in example["outputs"])]
    shown = "".join(
        f'std::cout << "{name}"; for (const auto& v : example::{name}()) std::cout << "\\x1f" << v; std::cout << "\\x1e";'
        for name in names
    )
    score = "value" if task == "regression" else "probabilities"
    compared = f"""
        auto got = example::expected_{score}();
        std::vector<float> off(got); off[0] += 0.01f;
        if (!example::compare("same", got.data(), got) || example::compare("off", off.data(), got)) return 1;
        const std::vector<std::int64_t> one{{1}}, two{{2}};
        if (example::compare("integers", one.data(), two)) return 1;
    """
    (folder / "check.cpp").write_text(
        f'#include "example.hpp"\n#include <iomanip>\nint main() {{ std::cout << std::setprecision(17);{shown}{compared} }}\n'
    )
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *options, folder / "check.cpp", "-o", folder / "check"], check=True)
    done = subprocess.run([folder / "check"], capture_output=True, check=True).stdout.decode()
    tensors = [*example["inputs"].values(), *example["outputs"].values()]
    for name, tensor, told in zip(names, tensors, done.split("\x1e"), strict=False):
        assert told.split("\x1f")[0] == name
        values = told.split("\x1f")[1:]
        if tensor["type"] == "float32":
            assert [float(value) for value in values] == pytest.approx(
                [float("nan") if value is None else value for value in tensor["values"]], abs=0, rel=0, nan_ok=True
            )
        else:
            assert values == [str(int(v)) if v in (True, False) else str(v) for v in tensor["values"]]


@pytest.mark.parametrize("task", TASKS)
def test_the_program_in_cpp_gets_what_the_bundle_got(
    shipment: Callable[..., Shipment], tmp_path: Path, task: str
) -> None:
    """It is compiled against onnxruntime's headers where they are installed, and run on the example."""
    compiler = shutil.which("g++")
    header = next((p for p in Path("/usr/include").glob("**/onnxruntime_cxx_api.h")), None)
    if compiler is None or header is None:
        pytest.skip("no g++ or no headers of onnxruntime are installed")
    folder = export(Onnx(), shipment(task), tmp_path / "onnx").folder
    options = ["-std=c++17", "-Wall", "-Werror", f'-DGRAPH="{folder / "graph.onnx"}"', f"-I{header.parent}"]
    subprocess.run([compiler, *options, folder / "predict.cpp", "-lonnxruntime", "-o", folder / "predict"], check=True)
    done = subprocess.run([folder / "predict"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "decision: as expected" in done.stdout
    wrong = (
        (folder / "example.hpp")
        .read_text()
        .replace("expected_decision() {\n  return {", "expected_decision() {\n  return {5, ")
    )
    (folder / "example.hpp").write_text(wrong)
    subprocess.run([compiler, *options, folder / "predict.cpp", "-lonnxruntime", "-o", folder / "predict"], check=True)
    done = subprocess.run([folder / "predict"], capture_output=True, text=True, check=False)
    assert (done.returncode, "decision: DIFFERENT" in done.stdout) == (1, True)


def test_offsets_are_told_to_whoever_packs_inputs(tmp_path: Path) -> None:
    """They have to be subtracted in double; the examples are answered all the same."""
    toy = Bundle.load(write_toy_bundle(tmp_path / "toy", offsets={"age": 1_700_000_000.0}))
    folder = export(Onnx(), Shipment(toy, version=3), tmp_path / "onnx").folder
    assert "`age` less 1700000000.0" in (folder / "README.md").read_text(encoding="utf-8")
    assert '1700000000.0 of "age"' in (folder / "predict.cpp").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, folder / "predict.py"], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
