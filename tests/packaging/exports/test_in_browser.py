"""The exported page in a real Chromium: its decoder passes the conformance vectors, and it answers as the bundle does."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.numbers import number_text
from penstock.bundle.preparing import FUNCTIONS
from penstock.errors import ExportError
from penstock.packaging.exports.as_wheel import Wheel
from penstock.packaging.exports.exporter import Shipment, export
from penstock.packaging.exports.in_browser import PREPARATIONS, RUNTIME_FILES, RUNTIME_VERSION, Browser
from penstock.testing.toy_bundle import ROWS

Hosted = Callable[[Path], str]

_VECTORS = """
async (text) => {
  const {columnReader, targetReader, parseJson} = await import("/decoder.mjs");
  const {normaliseText, packedWords, preparer} = await import("/text.mjs");
  const {protector} = await import("/privacy.mjs");
  const vectors = parseJson(text), wrong = [];
  let done = 0;
  const instant = (iso) => {
    if (iso === null || iso === undefined) return null;
    const [, whole, fraction] = /^(.*?)(?:\\.(\\d+))?(?:\\+00:00|Z)$/.exec(iso);
    return BigInt(new Date(whole + "Z").getTime()) * 1000n + BigInt((fraction ?? "0").padEnd(6, "0"));
  };
  const check = (what, read, test, expected) => {
    let got = null, problem;
    try { got = read(test.value); } catch (error) { if (!error.code) throw error; problem = error.code; }
    const same = "problem" in test ? problem === test.problem : problem === undefined && Object.is(got, expected);
    done += 1;
    if (!same) wrong.push(`${what}: ${String(test.value)} gives ${String(got)} ${problem ?? ""}`);
  };
  for (const {about, column, cases} of vectors.columns) {
    const read = columnReader({name: "x", ...column});
    for (const test of cases) check(about, read, test, column.kind === "datetime" ? instant(test.decoded) : test.decoded ?? null);
  }
  for (const {about, target, cases} of vectors.targets)
    for (const test of cases) check(about, targetReader({name: "y", ...target}), test, test.decoded ?? null);
  for (const {about, column, cases} of vectors.personal.columns) {
    const protect = protector({name: "x", ...column});
    for (const test of cases) {
      const needsKey = /^(hash|shift)/.test(column.privacy.action) && test.protected !== null && test.problem !== "wrong-type" && (test.value === null || typeof test.value !== "object");
      check(about, protect, needsKey ? {value: test.value, problem: "privacy"} : test, test.protected);
    }
  }
  for (const {text, words} of vectors.words) check("words", normaliseText, {value: text}, words);
  for (const {text, packed} of vectors.packed) check("packed", packedWords, {value: text}, packed);
  for (const {tree, cases} of vectors.prepared)
    for (const {values, prepared} of cases) check(tree.function, preparer(tree), {value: values}, prepared);
  return {done, wrong};
}
"""


@pytest.fixture(scope="module")
def exported(
    shipment: Callable[..., Shipment], tmp_path_factory: pytest.TempPathFactory, ort_runtime: Path
) -> Callable[[str], Path]:
    """The folder of a task's page, written once."""
    folder = tmp_path_factory.mktemp("pages")

    def of(task: str) -> Path:
        if not (folder / task).exists():
            export(Browser(ort_runtime), shipment(task), folder / task)
        return folder / task

    return of


def test_the_decoder_in_javascript_passes_the_conformance_vectors(
    exported: Callable[[str], Path], hosted: Hosted, tab: Any
) -> None:
    """The same file that the decoder in Python passes at both speeds."""
    tab.goto(hosted(exported("binary")))
    result = tab.evaluate(_VECTORS, files("penstock.bundle").joinpath("conformance.json").read_text("utf-8"))
    assert result["wrong"] == []
    assert result["done"] > 400


def test_numbers_are_written_as_python_writes_them(exported: Callable[[str], Path], hosted: Hosted, tab: Any) -> None:
    """Categories that are numbers are compared by their text."""
    rng = random.Random(0)
    numbers = [rng.uniform(-1, 1) * 10 ** rng.uniform(-12, 24) for _ in range(2000)]
    numbers += [float(10**k) for k in range(-9, 23)] + [0.0, -0.0, 1e-4, 9.999e-5, 1e16, 1e21, 5e-324, 1.7e308]
    tab.goto(hosted(exported("binary")))
    texts = tab.evaluate(
        "async (xs) => { const {numberText} = await import('/text.mjs'); return xs.map(numberText); }", numbers
    )
    assert texts == [number_text(number) for number in numbers]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_page_answers_as_the_bundle_does(
    exported: Callable[[str], Path], shipment: Callable[..., Shipment], hosted: Hosted, tab: Any, task: str
) -> None:
    """Decisions, reasons and lists are equal; floating-point numbers to 1e-6, as another processor may round them."""
    tab.goto(hosted(exported(task)))
    got = ask(tab, [dict(row) for row in ROWS])["predictions"]
    expected = shipment(task).bundle.predict(ROWS)
    for answer, of_bundle in zip(got, expected, strict=True):
        assert_alike(answer, {k: v for k, v in of_bundle.items() if k != "withheld"})
    assert [ask(tab, [dict(row)])["predictions"][0] for row in ROWS] == got  # a row alone is answered as in a batch


def test_a_person_can_try_a_row(exported: Callable[[str], Path], hosted: Hosted, tab: Any) -> None:
    """The page is the server's own; what only a server has is not shown."""
    tab.goto(hosted(exported("binary")))
    tab.wait_for_selector("[data-name=age]")
    tab.fill("[data-name=age]", "150")
    tab.click("button.main")
    tab.wait_for_selector(".pill.abstain")
    assert "outside the range seen in training" in tab.inner_text(".answer")
    tab.fill("[data-name=age]", "old")
    tab.click("button.main")
    tab.wait_for_selector(".pill.refused")
    assert "'old' is not a number" in tab.inner_text(".answer")
    assert not tab.is_visible("#curl")
    assert "version 3" in tab.inner_text("header").lower() or tab.title().startswith("toy 3")


def test_wrong_rows_are_refused_as_a_server_refuses_them(
    exported: Callable[[str], Path], shipment: Callable[..., Shipment], hosted: Hosted, tab: Any
) -> None:
    """Code and path of the error are those of the bundle in Python."""
    from penstock.errors import RequestError

    tab.goto(hosted(exported("binary")))
    for row in ({"age": "old"}, {"aeg": 1}, {"age": []}, {"joined": 17}, {"job": {"a": 1}}, {"age": "1e999"}):
        with pytest.raises(RequestError) as refused:
            shipment().bundle.predict([row])
        error = ask(tab, [row])["error"]
        assert (error["code"], error["path"]) == (refused.value.code, refused.value.path)


def test_a_page_whose_graph_was_changed_says_so(
    exported: Callable[[str], Path], hosted: Hosted, browser: Any, tmp_path: Path
) -> None:
    """The packaged examples are answered before anything else."""
    import shutil

    folder = tmp_path / "page"
    shutil.copytree(exported("binary"), folder)
    examples = json.loads((folder / "bundle" / "examples.json").read_bytes())
    examples["answers"][0]["novelty"] += 0.1
    (folder / "bundle" / "examples.json").write_text(json.dumps(examples))
    tab = browser.new_page()
    tab.goto(hosted(folder))
    tab.wait_for_selector(".pill.refused")
    assert "example 0 is answered with novelty" in tab.inner_text(".answer")
    tab.close()


def test_a_model_whose_preparation_javascript_lacks_is_refused(
    exported: Callable[[str], Path],
    hosted: Hosted,
    tab: Any,
    shipment: Callable[..., Shipment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what it can do is what it says it can."""
    tab.goto(hosted(exported("binary")))
    code = "async (names) => { const {preparable} = await import('/text.mjs'); return names.filter((name) => preparable({function: name, inputs: []})); }"
    assert tab.evaluate(code, sorted({*FUNCTIONS, "bin", "cross", "other"})) == sorted(PREPARATIONS)
    monkeypatch.setattr("penstock.packaging.exports.in_browser.functions_of", lambda _: {"pixels_rgb"})
    with pytest.raises(ExportError, match="cannot answer in a browser"):
        export(Browser(), shipment(), tmp_path / "page")


def test_a_page_asks_for_no_privacy_key(
    shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no environment to hold one: it says what becomes of such fields instead."""
    for name in RUNTIME_FILES:
        (tmp_path / name).touch()
    monkeypatch.setattr(Shipment, "is_keyed", True)
    told = "\n".join(export(Browser(tmp_path), shipment(), tmp_path / "page").hints)
    assert "PENSTOCK_PRIVACY_KEY" not in told
    assert "refuses them unless they come protected" in told
    assert "PENSTOCK_PRIVACY_KEY" in "\n".join(export(Wheel(), shipment(), tmp_path / "wheel").hints)


def test_a_folder_without_the_runtime_is_named(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """And what it lacks."""
    with pytest.raises(ExportError, match=r"does not hold onnxruntime-web\s+why: it lacks ort.wasm.min.mjs"):
        export(Browser(tmp_path), shipment(), tmp_path / "page")


def test_without_npm_the_way_out_is_told(
    shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no node_modules either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match=r"npm is not installed.*\s+try: npm install onnxruntime-web"):
        export(Browser(), shipment(), tmp_path / "page")


def test_npm_is_asked_for_the_tested_version(
    shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for whatever is newest that day."""
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 1\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match="npm could not fetch it"):
        export(Browser(), shipment(), tmp_path / "page")
    assert f"onnxruntime-web@{RUNTIME_VERSION} " in (tmp_path / "asked").read_text()


def ask(tab: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = tab.evaluate("async (rows) => (await window.penstock).ask('predict', {rows})", rows)
    return answer


def assert_alike(got: Any, expected: Any) -> None:
    if isinstance(expected, float):
        assert math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-9)
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for name in expected:
            assert_alike(got[name], expected[name])
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_alike(one, other)
    else:
        assert got == expected


@pytest.mark.parametrize("policy", ["refuse", "fallback"])
def test_a_model_with_a_policy_that_the_page_cannot_keep_is_refused(tmp_path: Path, policy: str) -> None:
    """It would fill what was declared otherwise, and say nothing."""
    from penstock.bundle.runtime import Bundle
    from penstock.packaging.exports.exporter import Shipment
    from penstock.packaging.exports.in_browser import Browser
    from penstock.testing.toy_bundle import write_toy_bundle

    folder = write_toy_bundle(tmp_path / "toy", missing={"income": policy})  # type: ignore[dict-item]
    with pytest.raises(ExportError, match="page can only fill them"):
        Browser().write(Shipment(Bundle.load(folder), version=1), tmp_path / "page")
