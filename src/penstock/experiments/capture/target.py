"""What is to be run: a Python script, a module, a notebook, or any other command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.errors import FlagError, ScriptError

if TYPE_CHECKING:
    from penstock.experiments.capture.secrets import Masker

Kind = Literal["script", "module", "notebook", "command"]
_PROGRAMS = {
    ".sh": "sh", ".bash": "bash", ".zsh": "zsh", ".fish": "fish",
    ".r": "Rscript", ".jl": "julia", ".js": "node", ".mjs": "node", ".pl": "perl", ".rb": "ruby", ".lua": "lua",
    ".php": "php", ".m": "octave", ".tcl": "tclsh", ".awk": "awk -f",
}  # fmt: skip
"""Which program runs a file, where the file does not say so itself in its first line."""


@dataclass(frozen=True)
class Target:
    """What is to be run.

    Attributes
    ----------
    name : under which its runs are listed: the path from the workspace's root, the module, or the program's name.
    path : the file, where it is known; absolute.
    module : of a module, its dotted name.
    argv : of a command, its words as they are run, without flags.
    """

    kind: Kind
    name: str
    path: Path | None = None
    module: str | None = None
    argv: tuple[str, ...] = ()

    def to_json(self, root: Path) -> dict[str, Any]:
        """As it is recorded; paths inside `root` are relative to it."""
        body: dict[str, Any] = {"kind": self.kind, "name": self.name}
        if self.path is not None:
            body["path"] = _below(self.path, root)
        if self.module is not None:
            body["module"] = self.module
        if self.argv:
            file = None if self.path is None else str(self.path)
            body["argv"] = [body["path"] if word == file else word for word in self.argv]
        return body

    def masked(self, masker: Masker) -> Target:
        """As it may be recorded: without the secrets in the words of a command."""
        return replace(self, argv=tuple(masker.argv(self.argv)))

    @classmethod
    def from_json(cls, body: dict[str, Any], root: Path) -> Target:
        """A recorded target, its relative paths under `root`, which may be another folder than that of the run.

        Raises
        ------
        FlagError : a secret stood in the words of its command, which is not recorded: it cannot be run again.
        """
        from penstock.experiments.capture.secrets import MASK

        if any(MASK in word for word in body.get("argv", ())):
            raise FlagError(
                f"the command {body['name']!r} held a secret",
                why="secrets are not recorded, so it cannot be run again as it was",
                way_out=f"run it anew with the secret as a flag (`penstock run name=value -- {body['name']} ...`), which can be "
                "given again, or let it read a variable of the environment",
            )
        path = (root / body["path"]) if body.get("path") else None
        argv = tuple(str(path) if path and word == body["path"] else word for word in body.get("argv", ()))
        return cls(body["kind"], body["name"], path, body.get("module"), argv)

    def check(self) -> None:
        """Look whether the file is still there.

        Raises
        ------
        ScriptError : it is not, or it cannot be read.
        """
        if self.path is None:
            return
        if not self.path.is_file():
            raise _missing(self.name, self.path)
        if self.kind != "command" and not os.access(self.path, os.R_OK):
            raise ScriptError(f"{self.name} cannot be read", why="its mode forbids it", way_out=f"chmod +r {self.path}")


def parse_target(
    words: Sequence[str],
    *,
    module: str | None = None,
    command: Sequence[str] = (),
    cwd: Path,
    root: Path,
    python: str | None = None,
) -> tuple[Target, list[str]]:
    """What a command line asks to run, and the rest of its words, which are flags.

    Parameters
    ----------
    words : what stands before ``--``. The first is the file, unless `module` or `command` says what to run.
    module : of ``-m``.
    command : what stands behind ``--``.
    cwd, root : where the user is, and the workspace's folder.
    python : the interpreter that will run a module; another one than ours may know modules that we do not.

    Raises
    ------
    ScriptError : nothing is named, or what is named is not there (the nearest name is given) or cannot be run.
    """
    if module is not None and command:
        raise ScriptError(
            "both a module and a command are named",
            why=f"-m {module} and -- {command[0]} each say what to run",
            way_out="keep one of the two",
        )
    if command:
        _refuse_file(words, cwd, "a command", f"-- {' '.join(command)}")
        return _command(command, cwd, root), list(words)
    if module is not None:
        _refuse_file(words, cwd, "a module", f"-m {module}")
        return _module(module, cwd, root, python), list(words)
    if not words:
        raise ScriptError(
            "nothing is named to run",
            why="there is no file, no -m MODULE and no -- COMMAND",
            way_out="write for example `penstock run train.py lr=0.1`",
        )
    first, *rest = words
    return _file(first, cwd, root), rest


def _refuse_file(words: Sequence[str], cwd: Path, other: str, shown: str) -> None:
    """A file beside a module or a command: only one of them can be run. (A word with = is a flag, whatever it is called.)"""
    file = next((word for word in words if "=" not in word and _looks_runnable(word, cwd)), None)
    if file is not None:
        raise ScriptError(
            f"both a file and {other} are named",
            why=f"{file} and {shown} each say what to run",
            way_out=f"keep one of the two: `penstock run {file} ...` or `penstock run {shown}`; where the file is a value of a flag, "
            f"write NAME={file}",
        )


def _looks_runnable(word: str, cwd: Path) -> bool:
    ending = os.path.splitext(word)[1].lower()
    return ending in (".py", ".ipynb") or (ending in _PROGRAMS and (cwd / word).is_file())


def _file(word: str, cwd: Path, root: Path) -> Target:
    path = cwd / word
    if "\0" in word or not path.is_file():
        raise _missing(word, path)
    path = Path(os.path.abspath(path))  # a link keeps its own name, as with `python link.py`
    name = _below(path, root)
    suffix = path.suffix.lower()
    if suffix == ".ipynb":
        return Target("notebook", name, path)
    if suffix in (".py", ".pyw"):
        return Target("script", name, path)
    first = _first_line(path)
    if first.startswith("#!") and "python" in first:
        return Target("script", name, path)
    if os.access(path, os.X_OK) and (first.startswith("#!") or suffix not in _PROGRAMS):
        return Target("command", name, path, argv=(str(path),))
    if first.startswith("#!"):  # not executable: run by the program that it names
        program = first[2:].split()
        if program and program[0].endswith("/env"):
            program = [part for part in program[1:] if part != "-S"]
        if program:
            return Target("command", name, path, argv=(*_with_program(program, word), str(path)))
    if suffix in _PROGRAMS:
        return Target("command", name, path, argv=(*_with_program(_PROGRAMS[suffix].split(), word), str(path)))
    raise ScriptError(
        f"{word} cannot be run",
        why=f"it is neither Python, a notebook nor executable, and no program is known for {suffix or 'its name'!r}",
        way_out=f"name the program: `penstock run -- PROGRAM {word}`, or make it executable: chmod +x {word}",
    )


def _with_program(program: list[str], word: str) -> list[str]:
    if _which(program[0]) is None:
        raise ScriptError(
            f"{word} needs the program {program[0]!r}",
            why="it is not on the PATH",
            way_out=f"install it, or name another: `penstock run -- PROGRAM {word}`",
        )
    return program


def _command(command: Sequence[str], cwd: Path, root: Path) -> Target:
    program = command[0]
    found = _which(program) if os.sep not in program else None
    local = cwd / program
    if found is None and not (os.sep in program and local.is_file() and os.access(local, os.X_OK)):
        if os.sep in program and local.is_file():
            raise ScriptError(
                f"{program} is not executable",
                why="its mode does not allow to run it",
                way_out=f"chmod +x {program}, or name the program that runs it before it",
            )
        near = _near(program, _programs())
        raise ScriptError(
            f"there is no program {program!r}",
            why="it is not on the PATH" if os.sep not in program else f"there is no file {local}",
            way_out=f"did you mean {near!r}?" if near else "install it, or write its whole path",
        )
    path = Path(os.path.abspath(local)) if found is None else None
    name = _below(path, root) if path is not None else Path(program).name
    return Target("command", name, path, argv=(program if path is None else str(path), *command[1:]))


def _module(module: str, cwd: Path, root: Path, python: str | None) -> Target:
    """A module's file, found as ``python -m`` finds it but without running any ``__init__.py``."""
    from importlib.machinery import PathFinder

    ours = python is None or os.path.abspath(python) == os.path.abspath(sys.executable)
    places = [str(cwd), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *(sys.path if ours else ())]
    parts = module.split(".")
    for i, part in enumerate(parts):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), places) if part.isidentifier() else None
        if spec is None:
            if i == 0 and not ours and part.isidentifier():
                return Target("module", module, None, module)  # its own interpreter will tell
            raise _no_module(module, parts[: i + 1], places if i or part.isidentifier() else None)
        if spec.submodule_search_locations is None and i < len(parts) - 1:
            raise _no_module(module, parts[: i + 2], None)
        places = list(spec.submodule_search_locations or ())
        origin = spec.origin
    if places:  # a package is run by its __main__
        main = PathFinder.find_spec("__main__", places)
        if main is None:
            inner = next(iter(_modules(places)), "train")
            raise ScriptError(
                f"{module} cannot be run",
                why="it is a package without a __main__.py",
                way_out=f"name a module inside it, such as -m {module}.{inner}",
            )
        origin = main.origin
    path = Path(origin) if origin and origin.endswith((".py", ".pyw")) else None
    return Target("module", module, path, module)


def _no_module(module: str, parts: list[str], places: list[str] | None) -> ScriptError:
    near = _near(parts[-1], _modules(places or [])) if places else None
    if module.endswith(".py"):
        way_out = f"-m takes a module's name: `penstock run {module}` runs the file"
    elif near:
        way_out = f"did you mean -m {'.'.join([*parts[:-1], near])}?"
    else:
        way_out = "check the name; it is looked for from this folder, as `python -m` does"
    return ScriptError(f"there is no module {module!r}", why=f"{'.'.join(parts)} was not found", way_out=way_out)


def _modules(places: Sequence[str]) -> list[str]:
    found: list[str] = []
    for place in places:
        try:
            with os.scandir(place or ".") as entries:
                for entry in entries:
                    stem, suffix = os.path.splitext(entry.name)
                    if (
                        stem.isidentifier()
                        and not stem.startswith("__")
                        and (suffix == ".py" or (not suffix and entry.is_dir()))
                    ):
                        found.append(stem)
        except OSError:
            continue  # a place of the module path that is not there holds no module
    return sorted(found)


def _missing(word: str, path: Path) -> ScriptError:
    if "=" in word and not word.startswith("="):
        return ScriptError(
            "no script is named",
            why=f"the first word is {word!r}, which reads as a flag, and no file has that name",
            way_out=f"write the script first: `penstock run SCRIPT {word}`, or `penstock run {word} -- COMMAND`",
        )
    if not word:
        return ScriptError(
            "no script is named",
            why="its name is empty",
            way_out="write for example `penstock run train.py lr=0.1`",
        )
    if path.is_symlink() and not path.exists():
        return ScriptError(
            f"{word} is a broken link",
            why=f"it leads to {os.readlink(path)}, and no file is there",
            way_out="mend the link",
        )
    if path.is_dir():
        return ScriptError(
            f"{word} is a folder",
            why="a file is run, or a module",
            way_out=f"name the file in it, or `penstock run -m {word.strip('/').replace('/', '.')}` where it is a package",
        )
    folder = path.parent
    names = sorted(name for name in os.listdir(folder) if (folder / name).exists()) if folder.is_dir() else []
    near = _near(path.name, names)
    why = f"there is no file {path}" if folder.is_dir() else f"there is no folder {folder}"
    if near:
        way_out = f"did you mean {os.path.join(os.path.dirname(word), near)}?"
    elif _which(word) and os.sep not in word:
        way_out = f"a program is run with `penstock run -- {word}`"
    else:
        way_out = "check the name; it is looked for from the folder you are in"
    return ScriptError(f"there is no script {word!r}", why=why, way_out=way_out)


def _near(name: str, names: Sequence[str]) -> str | None:
    import difflib

    found = difflib.get_close_matches(name, names, 1, 0.6)
    return found[0] if found else None


def _which(program: str) -> str | None:
    from shutil import which

    return which(program)


def _programs() -> list[str]:
    found: set[str] = set()
    for folder in os.get_exec_path():
        try:
            found.update(os.listdir(folder))
        except OSError:
            continue  # a folder of the PATH that is not there holds no program
    return sorted(found)


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(256).decode("utf-8", "replace").strip()
    except OSError as error:
        raise ScriptError(f"{path} cannot be read", why=str(error), way_out="check who may read it") from error


def _below(path: Path, root: Path) -> str:
    """The path from `root`, with slashes; outside of it the whole path."""
    for base in (root, root.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    resolved = path.parent.resolve() / path.name
    return (
        resolved.relative_to(root.resolve()).as_posix() if resolved.is_relative_to(root.resolve()) else path.as_posix()
    )


__all__ = ["Target", "parse_target"]
