"""The part of Penstock's own source that a bundle needs where Penstock is not installed, and what it needs of others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable

from penstock.bundle.packing import Layout
from penstock.bundle.preparing import Prepared
from penstock.errors import ExportError

RUNTIME = ("numpy", "onnxruntime")
"""Distributions that `penstock.bundle` needs."""
SERVER = (*RUNTIME, "starlette", "uvicorn", "uvloop", "httptools", "msgspec", "orjson", "prometheus-client")
"""Distributions that `penstock.serving` needs."""
TRACES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
"""Distributions that a server needs which has `[serving] traces`."""
GRPC = ("grpcio", "protobuf")
"""Distributions that a server needs which answers gRPC as well."""
OPTIONAL = {"pixels_grey": "pillow", "pixels_rgb": "pillow", "pieces": "tokenizers"}
"""Preparation -> the distribution that it needs; only bundles that have it need that."""
_IMPORT_NAMES = {"prometheus_client": "prometheus-client", "PIL": "pillow"}


def closure(*roots: str) -> dict[str, str]:
    """Module -> source of these modules of Penstock and of all that they import, also within functions.

    >>> "penstock.errors" in closure("penstock.bundle.runtime"), "penstock.data" in closure("penstock.bundle.runtime")
    (True, False)
    """
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _source(name)
        waiting += [m for m in _imported(name, found[name]) if m.partition(".")[0] == "penstock"]
        waiting += [".".join(name.split(".")[:i]) for i in range(2, name.count(".") + 1)]
    return dict(sorted(found.items()))


def others(sources: dict[str, str]) -> set[str]:
    """Distributions outside the standard library that these modules import."""
    import sys

    tops = {m.partition(".")[0] for name, source in sources.items() for m in _imported(name, source)}
    return {_IMPORT_NAMES.get(top, top) for top in tops - set(sys.stdlib_module_names) - {"penstock", "__future__"}}


def functions_of(layout: Layout) -> set[str]:
    """The functions by which strings are prepared for a graph, also those within others."""

    def within(tree: Prepared) -> set[str]:
        inner = [within(tree) for tree in tree.inputs if not isinstance(tree, str)]
        return {tree.function}.union(*inner)

    return set().union(*(within(tree) for _, tree in layout.prepared))


def needed(layout: Layout) -> tuple[str, ...]:
    """The optional distributions that a bundle of this layout needs."""
    return tuple(sorted({OPTIONAL[name] for name in functions_of(layout) & OPTIONAL.keys()}))


def pinned(distributions: tuple[str, ...]) -> list[str]:
    """``name==version`` of what is installed here: what the bundle was tested with.

    Raises
    ------
    ExportError : one of them is not installed here.
    """
    return [f"{name}=={_installed(name).version.partition('+')[0]}" for name in distributions]


def with_needs(distributions: tuple[str, ...]) -> tuple[str, ...]:
    """These distributions, and after them by name all that they need in turn: what pip would choose for itself, and nobody has tested.

    What only another system or another Python needs is left out, as it is not here to be tested.

    >>> needs = with_needs(("uvicorn",))
    >>> needs[0], "h11" in needs
    ('uvicorn', True)

    Raises
    ------
    ExportError : one of them is not installed here.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in distributions]
    while waiting:
        name, extra = one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for line in _installed(name).requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(need.name), inner) for inner in ("", *need.extras)]
    further = {name for name, _ in seen} - {canonicalize_name(name) for name in distributions}
    return (*distributions, *sorted(further))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise ExportError(
            f"{name} is not installed here",
            why="the model or its settings need it, and what leaves asks for the version that was tested",
            way_out=f'pip install {name}; what needs it is among the extras: pip install "penstock[otel]" for traces,'
            ' "penstock[grpc]" for gRPC',
        ) from error


def data_files(package: str) -> Iterator[tuple[str, bytes]]:
    """What lies beside the modules of a package and is no module: pages, vectors."""
    for entry in files(package).iterdir():
        if entry.is_file() and not entry.name.endswith((".py", ".pyc")):
            yield entry.name, entry.read_bytes()


@cache
def _place(name: str) -> tuple[Traversable, bool] | None:
    """The file of a module, and whether it is a package."""
    root = files("penstock")
    parts = name.split(".")[1:]
    package = root.joinpath(*parts, "__init__.py")
    if package.is_file():
        return package, True
    module = root.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else package
    return (module, False) if module.is_file() else None


def is_package(name: str) -> bool:
    place = _place(name)
    return place is not None and place[1]


def _source(name: str) -> str:
    place = _place(name)
    if place is None:
        raise ExportError(
            f"the source of {name} is not here",
            why="this installation of Penstock has no source files",
            way_out="install Penstock from a wheel",
        )
    return place[0].read_text("utf-8")


def _imported(name: str, source: str) -> Iterator[str]:
    """Modules that a module imports while it runs; what stands under ``if TYPE_CHECKING:`` is for readers."""
    for node in _running(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            if node.module == "penstock":
                continue  # __version__, which whoever ships the modules writes
            yield node.module
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (m for m in inner if node.module.startswith("penstock.") and _place(m) is not None)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for otherwise in node.orelse:
            yield from _running(otherwise)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _running(child)
