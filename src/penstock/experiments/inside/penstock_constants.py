"""The constants of a Python file or of a notebook's cells: found, and replaced. Only the standard library is used.

The same code finds the flags before a run and sets them within it, so that the two cannot differ.
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is not loaded for it
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

_LARGEST = 2**64


class NoConstant(Exception):
    """An expression that is not a plain value."""


def constants(tree: ast.Module) -> dict[str, tuple[ast.expr, Any, int]]:
    """The constants of a file or of a notebook's cell: name -> (node of its value, value, line).

    A constant is a name that is given a plain value once, in the outermost level, and is never changed anywhere: not in a
    branch or a loop, nor by a function that declares it `global`. Plain are numbers, texts, True, False, None, arithmetic on
    numbers (``60 * 60``), and lists and tuples of these that are not empty. Names with a leading underscore are left alone.
    """
    found: dict[str, tuple[ast.expr, Any, int]] = {}
    for statement in tree.body:
        for name, node in _assignments(statement):
            if not name.startswith("_"):
                try:
                    found[name] = (node, value_of(node), node.lineno)
                except NoConstant:
                    pass
    changed: dict[str, int] = {}
    for statement in tree.body:
        _count(statement, changed, 0)
    return {name: entry for name, entry in found.items() if changed.get(name) == 1}


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """(name, node of the value) of each name that a statement of the outermost level gives a value of its own."""
    if isinstance(statement, ast.AnnAssign) and statement.value is not None and isinstance(statement.target, ast.Name):
        yield statement.target.id, statement.value
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        names = [one.id for one in target.elts if isinstance(one, ast.Name)]
        if len(names) == len(target.elts) == len(value.elts):
            yield from zip(names, value.elts)  # noqa: B905 - Python 3.8 and 3.9 know no `strict`


def _count(node: ast.AST, changed: dict[str, int], depth: int) -> None:
    """How often each name of the module is bound."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        if depth == 0:
            _add(changed, node.name)
        own = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        for name in own:
            _add(changed, name, 2)
        for part in [*node.decorator_list, *_walrus(node)]:
            _count(part, changed, depth)
        return
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        _add(changed, node.id, 2 if isinstance(node.ctx, ast.Del) else 1)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        _add(changed, node.target.id, 2)
    elif isinstance(node, ast.alias):
        _add(changed, (node.asname or node.name).partition(".")[0])
    elif isinstance(node, ast.ExceptHandler) and node.name:
        _add(changed, node.name)
    elif type(node).__name__ in ("MatchAs", "MatchStar", "MatchMapping"):  # not known to every Python that runs scripts
        _add(changed, getattr(node, "name", None) or getattr(node, "rest", None) or "")
    elif isinstance(node, ast.AnnAssign) and node.value is None:
        return
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                _add(changed, inner.target.id)
        return
    for inner in ast.iter_child_nodes(node):
        _count(inner, changed, depth)


def _walrus(node: ast.AST) -> list[ast.expr]:
    arguments = getattr(node, "args", None)
    return [] if arguments is None else [*arguments.defaults, *[d for d in arguments.kw_defaults if d is not None]]


def _add(changed: dict[str, int], name: str, times: int = 1) -> None:
    changed[name] = changed.get(name, 0) + times


def value_of(node: ast.expr) -> Any:
    """The value of an expression of plain values.

    Raises
    ------
    NoConstant : it is more than that, or its value would be enormous.
    """
    if isinstance(node, (ast.List, ast.Tuple)):
        if not node.elts:
            raise NoConstant
        values = [value_of(element) for element in node.elts]
        if any(isinstance(value, (list, tuple)) or value is None for value in values):
            raise NoConstant
        return values if isinstance(node, ast.List) else tuple(values)
    value = _scalar(node)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        raise NoConstant
    return value


def _scalar(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (bool, int, float, str))):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left), _number(node.right)
        if isinstance(node.op, (ast.Pow, ast.LShift)) and (abs(left) > _LARGEST or abs(right) > 64):
            raise NoConstant
        try:
            value = _OPERATIONS[type(node.op)](left, right)
        except (KeyError, ArithmeticError, TypeError, ValueError):
            raise NoConstant from None
        if not isinstance(value, (int, float)):
            raise NoConstant
        return value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "float"
        and len(node.args) == 1
    ):
        (argument,) = node.args  # float("inf")
        if not node.keywords and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            try:
                return float(argument.value)
            except ValueError:
                raise NoConstant from None
    raise NoConstant


def _number(node: ast.expr) -> Any:
    value = _scalar(node)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NoConstant
    return value


_OPERATIONS: dict[type, Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
    ast.LShift: lambda a, b: a << b,
}


def replaced(source: bytes, path: str, values: dict[str, str]) -> CodeType:
    """The code of a file with other values of its constants; `values` are Python expressions by name."""
    tree: Any = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    nodes = {id(node): values[name] for name, (node, _, _) in constants(tree).items() if name in values}
    if nodes:
        tree = _Replace(nodes).visit(tree)
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


class _Replace(ast.NodeTransformer):
    """Other values in the places of the old ones; the lines of the file stay."""

    def __init__(self, nodes: dict[int, str]) -> None:
        self.nodes = nodes

    def visit(self, node: ast.AST) -> Any:
        text = self.nodes.get(id(node))
        if text is None:
            return self.generic_visit(node)
        new = ast.parse(text, mode="eval").body
        for inner in ast.walk(new):
            ast.copy_location(inner, node)
        return new


def cells_of(notebook: Any) -> list[tuple[int, str, list[str]]]:
    """The code cells of a notebook of format 4 or 3: (index, source, tags) of each."""
    cells = (
        notebook["cells"] if "cells" in notebook else [c for sheet in notebook["worksheets"] for c in sheet["cells"]]
    )
    found = []
    for index, cell in enumerate(cells):
        if cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            found.append(
                (
                    index,
                    source if isinstance(source, str) else "".join(source),
                    cell.get("metadata", {}).get("tags", []),
                )
            )
    return found


def constants_of_cells(
    cells: list[tuple[int, str, list[str]]],
) -> tuple[dict[str, tuple[int, ast.expr, Any]], bool]:
    """The constants of a notebook: name -> (index of its cell, node of its value, value), and whether a cell is tagged.

    They are those of the cell tagged `parameters`; where there is none, those of all cells together.
    """
    tagged = [cell for cell in cells if "parameters" in cell[2]]
    found: dict[str, tuple[int, ast.expr, Any]] = {}
    changed: dict[str, int] = {}
    for index, source, _ in tagged[:1] or cells:
        tree = cell_tree(source)
        if tree is None:
            continue
        own: dict[str, int] = {}
        for statement in tree.body:
            _count(statement, own, 0)
        for name, (node, value, _) in constants(tree).items():
            found[name] = (index, node, value)
        for name, times in own.items():
            _add(changed, name, times)
    return {name: entry for name, entry in found.items() if changed[name] == 1}, bool(tagged)


def cell_tree(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its lines for IPython left out; None where it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        pass
    lines = source.split("\n")
    first = lines[0].lstrip()
    if first.startswith("%%") and first.split()[0] not in ("%%time", "%%timeit", "%%capture", "%%prun"):
        return None
    for i, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith(("%", "!", "?")) or bare.endswith("?"):
            lines[i] = line[: len(line) - len(line.lstrip())] + "pass"
        elif "=" in line and line.partition("=")[2].lstrip().startswith(("!", "%")):
            lines[i] = line.partition("=")[0] + "= object()"
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return None


def replaced_in_cell(source: str, nodes: dict[str, ast.expr], values: dict[str, str]) -> str:
    """The source of a cell with other values; `nodes` are those of the old ones, by name."""
    lines = [line.encode() for line in source.split("\n")]
    for name, node in sorted(nodes.items(), key=lambda item: (item[1].lineno, item[1].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        new = lines[first][: node.col_offset] + values[name].encode() + lines[last][node.end_col_offset :]
        lines[first : last + 1] = [new]
    return b"\n".join(lines).decode()
