"""Find the flags of a target: in its syntax tree, or where that does not tell, from the script itself."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.experiments.capture.target import Target
from penstock.experiments.flags.files import CannotRead, Files
from penstock.experiments.flags.flag import Flag, FlagType
from penstock.experiments.flags.flag_set import FlagSet
from penstock.experiments.flags.from_constants import flags_of_constants, flags_of_notebook, language_of
from penstock.experiments.flags.values import same

if TYPE_CHECKING:
    from penstock.experiments.flags.module import Module
    from penstock.project.sections.runs import FlagSection, ScriptSection

_ASKS = re.compile(
    rb"\.parse_(known_)?(intermixed_)?args\b|parse_args_into_dataclasses|@[\w.]*(command|group)\b|typer\.run|\bTap\b"
)
_OTHERS = {
    "hydra": "Hydra",
    "absl": "absl",
    "fire": "Fire",
    "docopt": "docopt",
    "cyclopts": "cyclopts",
    "sacred": "Sacred",
}
"""Ways to read a command line in which flags are not found."""


def detect(
    target: Target,
    *,
    cwd: Path,
    section: ScriptSection | None = None,
    secrets: Iterable[str] = (),
    python: str | None = None,
    cache: Path | None = None,
) -> FlagSet:
    """The flags of a target, each with its type, default, choices, help and where it was found.

    A parser (argparse, click, typer) is read from the syntax tree, also where functions and files of the user's own make it.
    Where it is made in ways that the tree cannot tell, the script is run up to where it reads its command line, and asked.
    Where there is no parser, its constants are its flags. A command takes any flag.

    Parameters
    ----------
    cwd : where the user is.
    section : what `penstock.toml` says of this script: it overrides what is found, and adds.
    secrets : names of flags that are secret although they do not look it.
    python : the interpreter of the script; default: ours.
    cache : a folder in which the answers of scripts are kept; default: in the state folder of the workspace, once it has one.

    Raises
    ------
    ScriptError : its file is gone, or cannot be read.
    """
    target.check()
    cache = cache or _cache(cwd)
    if target.kind == "command":
        found = FlagSet(open=True, found_in="the command line")
    elif section is not None and not section.detect:
        found = FlagSet(
            notes=(f"{target.name} is not looked into: penstock.toml says detect = false",), found_in="penstock.toml"
        )
    elif target.kind == "notebook":
        found = _notebook(target, cwd)
    else:
        found = _python(target, cwd, python, cache)
    if section is not None:
        found = found.declare([_declared(name, one, found, target) for name, one in section.flags.items()])
    parsed = any(flag.how not in ("global", "cell") for flag in found)
    plain = "" if parsed or target.kind not in ("script", "module") else _plain(target, cwd)
    return replace(_with_secrets(found, tuple(secrets)), script=target.name, plain=plain)


def _plain(target: Target, cwd: Path) -> str:
    """The command line that runs a script or a module without Penstock."""
    from shlex import quote

    if target.kind == "module":
        return f"python -m {target.module}"
    return f"python {quote(os.path.relpath(target.path or target.name, cwd))}"


def _cache(cwd: Path) -> Path | None:
    from penstock.project.workspace import Workspace

    state = Workspace.here(cwd).state
    return state / "cache" / "flags" if state.is_dir() else None


def _notebook(target: Target, cwd: Path) -> FlagSet:
    assert target.path is not None
    label = Files([], cwd).label(target.path)
    language = language_of(target.path)
    if language not in ("python", "ipython"):
        return FlagSet(notes=(f"{label} is a notebook in {language}: flags are found in Python only",))
    try:
        flags, where = flags_of_notebook(target.path, label)
    except CannotRead as error:
        return FlagSet(notes=(str(error),))
    return FlagSet(tuple(flags), found_in=where)


def _python(target: Target, cwd: Path, python: str | None, cache: Path | None) -> FlagSet:
    if target.path is None or target.path.suffix not in (".py", ".pyw", ""):
        return _asked(target, cwd, python, cache, "first", FlagSet(), ["its source is not here"])
    files = Files(_places(target, cwd), cwd)
    try:
        module = files.module(target.path, _package(target))
    except CannotRead as error:
        other = python is not None and os.path.abspath(python) != os.path.abspath(sys.executable)
        found = FlagSet(notes=(f"it cannot be read: {error}",))
        return _asked(target, cwd, python, cache, "first", found, [str(error)]) if other else found
    source = target.path.read_bytes()
    others = _other_libraries(module.tree)
    found = FlagSet()
    if (files.may_parse(target.path) and _mentions(source)) or _imports_parser(module, files):
        from penstock.experiments.flags.parsers import flags_of_module

        flags, library, doubts = flags_of_module(module, files)
        found = FlagSet(tuple(flags), found_in=library)
        if not flags and not doubts and library == "" and _ASKS.search(source) and _does_something(module.tree):
            doubts = ["it reads a command line in a way that its source does not tell"]
        if doubts:
            until = "last" if any(b".parse_args" in m for m in _sources(files)) else "first"
            return _asked(target, cwd, python, cache, until, found, doubts)
    if found.flags or found.found_in:
        return found
    if others:
        return FlagSet(
            notes=(
                f"it reads its command line with {others}, whose flags are not found: declare them in penstock.toml",
            )
        )
    return FlagSet(tuple(flags_of_constants(module.tree, source, module.label)), found_in="globals")


def _asked(
    target: Target, cwd: Path, python: str | None, cache: Path | None, until: str, found: FlagSet, doubts: list[str]
) -> FlagSet:
    """What the script tells itself; where it tells nothing, what was found, with the reason."""
    from penstock.experiments.flags.asking import NoAnswer, ask

    try:
        flags = ask(target, cwd=cwd, python=python, until=until, cache=cache)
    except NoAnswer as error:
        note = f"flags may be missing: {doubts[0]}; asked for its flags, {error}"
        return replace(found, notes=(*found.notes, note))
    library = flags[0].origin.partition(",")[0] if flags else "the script"
    lines = {(flag.name, flag.under): flag for flag in found.flags}
    named = [replace(f, origin=lines[f.name, f.under].origin) if (f.name, f.under) in lines else f for f in flags]
    return FlagSet(tuple(named), found_in=library, notes=(f"it was run to be asked for its flags: {doubts[0]}",))


def _does_something(tree: ast.Module) -> bool:
    """Whether a file does more than to define names: it calls something, or has a part that runs it."""
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return True
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            return True
    return False


def _mentions(source: bytes) -> bool:
    return re.search(rb"argparse|ArgumentParser|add_argument|parse_args|\bclick\b|\btyper\b", source) is not None


def _imports_parser(module: Module, files: Files) -> bool:
    """Whether a file of the user's own that it imports may have to do with flags."""
    for node in ast.walk(module.tree):
        paths: list[Path | None] = []
        if isinstance(node, ast.Import):
            paths = [files.find(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = None
            if node.level and module.package is not None:
                base = module.package
                for _ in range(node.level - 1):
                    base = base.parent
            paths = [files.find(node.module or "", base=base)]
            paths += [files.find(f"{node.module or ''}.{alias.name}", base=base) for alias in node.names]
        if any(path is not None and (path.name == "__init__.py" or files.may_parse(path)) for path in paths):
            return True
    return False


def _sources(files: Files) -> list[bytes]:
    return [path.read_bytes() for path in files.read]


def _other_libraries(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        for name in names:
            if name.partition(".")[0] in _OTHERS:
                return _OTHERS[name.partition(".")[0]]
    return ""


def _places(target: Target, cwd: Path) -> list[Path]:
    """Where imports of the user's own begin: beside the script, or for a module where the user is."""
    assert target.path is not None
    if target.kind != "module":
        return [Path(os.path.realpath(target.path)).parent]
    top = target.path.parent
    depth = str(target.module).count(".") + (target.path.name == "__main__.py")
    for _ in range(depth):
        top = top.parent
    return list(dict.fromkeys([cwd, top]))


def _package(target: Target) -> Path | None:
    return target.path.parent if target.kind == "module" and target.path is not None else None


def _declared(name: str, section: FlagSection, found: FlagSet, target: Target) -> Flag:
    """A flag as `penstock.toml` declares it, on top of what was found."""
    flag = found.get(name)
    script = target.path if target.kind in ("script", "module", "notebook") else None
    if flag is None and script is not None:
        flag = _constant(script, name, target)
    if flag is None:
        type_: FlagType = section.type or _type_of(section.default)
        switch = type_ == "bool"
        option = section.option or f"--{name}"
        flag = Flag(
            name,
            type_,
            False if switch else None,
            how="switch" if switch else "option",
            option=option,
            spelling=("false", "true"),
        )
        flag = replace(flag, origin="penstock.toml")
    else:
        flag = replace(flag, origin=f"{flag.origin}, changed in penstock.toml")
    changes: dict[str, object] = {}
    if section.type is not None:
        changes["type"] = section.type
    if section.choices is not None:
        changes["choices"] = tuple(section.choices)
    if section.help is not None:
        changes["help"] = section.help
    if section.option is not None and flag.how == "option":
        changes["option"] = section.option
    if section.secret:
        changes["secret"] = True
    flag = replace(flag, **changes)  # type: ignore[arg-type]
    if section.default is None:
        return flag
    value = flag.check(section.default)
    return replace(
        flag, default=value, required=False, computed="", passed=flag.passed or not same(value, flag.default)
    )


def _constant(path: Path, name: str, target: Target) -> Flag | None:
    """A constant of the file, where it has a parser too."""
    if target.kind == "notebook":
        return None
    try:
        module = Files([], path.parent).module(path)
    except (CannotRead, OSError):
        return None
    constants = flags_of_constants(module.tree, path.read_bytes(), target.name)
    return next((flag for flag in constants if flag.name == name), None)


def _type_of(value: object) -> FlagType:
    kinds: dict[type, FlagType] = {bool: "bool", int: "int", float: "float", str: "str"}
    return kinds.get(type(value), "any")


def _with_secrets(found: FlagSet, names: tuple[str, ...]) -> FlagSet:
    from penstock.experiments.capture.secrets import Masker

    masker = Masker(names)
    flags = tuple(replace(flag, secret=True) if masker.is_secret(flag.name) else flag for flag in found.flags)
    return replace(found, flags=flags, secrets=names)


__all__ = ["detect"]
