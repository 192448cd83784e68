"""Export `browser`: a static page that runs the very graph, with onnxruntime-web and a decoder in JavaScript."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, final

from penstock.bundle.signature import Signature
from penstock.errors import ExportError
from penstock.packaging.exports.closure import functions_of
from penstock.packaging.exports.exporter import Shipment, copy_bundle
from penstock.serving.page import page

RUNTIME = "onnxruntime-web"
RUNTIME_VERSION = "1.30.0"
"""What npm is asked for: the one that the tests of the page ran with, so that equal exports hold equal files."""
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
MODULES = ("local.mjs", "bundle.mjs", "decoder.mjs", "instants.mjs", "privacy.mjs", "text.mjs", "unreadable.mjs")
PREPARATIONS = frozenset(
    (
        "cross",
        "bin",
        "tokens",
        "lowercase",
        "no_punct",
        "characters",
        "sparse_bigrams",
        "hash_value",
        "hash_tokens",
        "one_token",
    )
)
"""What the decoder in JavaScript can do to strings: the functions of ``text.mjs``."""
_STEPS = {"pieces": "embed", "pixels_grey": "pixels", "pixels_rgb": "pixels"}
"""The steps that need other ones, which people know by these names."""
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; worker-src 'self' blob:"
)


@final
class Browser:
    """A folder that any static web server can serve; the page answers without a server of ours, and offline.

    Parameters
    ----------
    runtime : folder with the files of the npm package onnxruntime-web (its ``dist``, or what holds it). None: it is looked
        for in ``node_modules`` here and above, and else fetched by npm.
    """

    name: ClassVar[str] = "browser"
    takes_key: ClassVar[bool] = False

    def __init__(self, runtime: Path | None = None) -> None:
        self.runtime = runtime

    def write(self, shipment: Shipment, folder: Path) -> list[str]:
        """
        Raises
        ------
        ExportError : onnxruntime-web is nowhere to be found, or the decoder in JavaScript lacks what the model needs.
        """
        for why, way_out in obstacles(shipment.bundle.signature):
            raise ExportError(
                f"{shipment.model} cannot answer in a browser",
                why=why,
                way_out=f"ship it as a wheel or a container, or {way_out}",
            )
        copy_bundle(shipment, folder / "bundle", lambda name: name != "reference.json")
        for name in MODULES:
            (folder / name).write_bytes(files(__package__).joinpath("browser", name).read_bytes())
        backend = (
            f'<meta http-equiv="content-security-policy" content="{_POLICY}">\n'
            '<script>window.penstock = import("./local.mjs");</script>\n'
        )
        (folder / "index.html").write_text(page(backend), encoding="utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            source = _dist(self.runtime) if self.runtime is not None else _installed() or _fetched(Path(scratch))
            (folder / "ort").mkdir()
            for name in RUNTIME_FILES:
                shutil.copyfile(source / name, folder / "ort" / name)
        keyed = "personal columns are hashed or shifted, and a page has no privacy key: it refuses them unless they come protected"
        return [
            *([keyed] if shipment.is_keyed else []),
            "try it: python -m http.server --directory {folder}, then http://127.0.0.1:8000",
            "any static web server will do; .mjs must be served as text/javascript, .wasm as application/wasm",
        ]


def obstacles(signature: Signature) -> list[tuple[str, str]]:
    """Why a model cannot answer in a browser, and the way out of each."""
    found = []
    lacking = functions_of(signature.layout) - PREPARATIONS
    if lacking:
        steps = ", ".join(sorted({_STEPS.get(function, function) for function in lacking}))
        found.append(
            (
                f"its recipe has {steps}, which the decoder in JavaScript cannot do",
                "leave that step out of the recipe",
            )
        )
    policies = sorted(signature.fields_that("refuse") | signature.fields_that("fallback"))
    if policies:
        found.append(
            (
                f"[serving.missing] says what becomes of rows without {', '.join(policies)}, and the page can only fill them",
                'declare "fill" for them',
            )
        )
    return found


def _dist(folder: Path) -> Path:
    """The folder that holds the files of the runtime, from the one that a person would name."""
    for place in (folder, folder / "dist", folder / RUNTIME / "dist", folder / "node_modules" / RUNTIME / "dist"):
        if all((place / name).is_file() for name in RUNTIME_FILES):
            return place
    raise ExportError(
        f"{folder} does not hold {RUNTIME}",
        why=f"it lacks {', '.join(RUNTIME_FILES)}",
        way_out=f"name the folder `dist` of the npm package {RUNTIME}",
    )


def _installed() -> Path | None:
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / "node_modules" / RUNTIME).is_dir():
            return _dist(place / "node_modules" / RUNTIME)
    return None


def _fetched(scratch: Path) -> Path:
    """The package as npm fetches it, from the registry that npm is set up for."""
    npm = shutil.which("npm")
    if npm is None:
        raise _not_there("npm is not installed, and there is no node_modules here")
    done = subprocess.run(
        [npm, "pack", f"{RUNTIME}@{RUNTIME_VERSION}", "--silent"],
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    packed = sorted(scratch.glob("*.tgz"))
    if done.returncode != 0 or not packed:
        raise _not_there(f"npm could not fetch it: {(done.stderr or done.stdout).strip()[-300:] or 'it says nothing'}")
    with tarfile.open(packed[0]) as archive:
        archive.extractall(scratch, filter="data")
    return _dist(scratch / "package")


def _not_there(why: str) -> ExportError:
    return ExportError(
        f"the page needs {RUNTIME}, which is not here",
        why=why,
        way_out=f"npm install {RUNTIME}@{RUNTIME_VERSION}, or name its folder with --runtime",
    )
