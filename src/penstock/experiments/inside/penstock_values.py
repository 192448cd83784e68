"""Run a Python file as it stands, but for the values of some of its constants. Only the standard library is used.

    python penstock_values.py train.py WORD...      as `python train.py WORD...`
    python penstock_values.py -m pkg.train WORD...  as `python -m pkg.train WORD...`

`PENSTOCK_VALUES` says which constants of which file have which values. They are put into the syntax tree, in the places of
the old ones, so that whatever the file derives from them follows. Nothing else differs from a plain run: `sys.argv`,
`sys.path`, `__file__`, the lines of a traceback, classes of `__main__` that are pickled. Processes that the script spawns
import its file again; `follow` lets them see the same values.
"""

from __future__ import annotations

import os
import sys

from penstock_constants import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is not loaded for it
    from collections.abc import Callable
    from types import CodeType, TracebackType
    from typing import Any

VARIABLE = "PENSTOCK_VALUES"

_MARK = "penstock"
_OURS = (__file__, replaced.__code__.co_filename)
_kept: list[Any] = []


def wanted() -> tuple[str, dict[str, str]] | None:
    """(path of the file, values) that this process and its children are asked for; None where there is nothing."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    import json

    body = json.loads(text)
    return os.path.realpath(body["path"]), body["values"]


def follow() -> None:
    """Let this process see the values where it imports the script's file: called in every process that the script starts.

    Processes of `multiprocessing` (spawn and forkserver) and of joblib run the file of their parent's `__main__` through
    `runpy` or the import system; both are asked for the code here.
    """
    from importlib.machinery import SourceFileLoader

    get_code = SourceFileLoader.get_code
    asked = wanted()
    if asked is None or _MARK in get_code.__dict__:
        return
    path, values = asked
    import runpy

    machinery: Any = SourceFileLoader
    runner: Any = runpy

    def is_it(name: str) -> bool:
        return os.path.basename(name) == os.path.basename(path) and os.path.realpath(name) == path

    def code_of(name: str) -> CodeType:
        with open(name, "rb") as file:
            return replaced(file.read(), name, values)

    def loader_code(self: SourceFileLoader, fullname: str) -> Any:
        return code_of(self.path) if is_it(self.path) else get_code(self, fullname)

    loader_code.__dict__[_MARK] = True
    machinery.get_code = loader_code
    from_file = runner._get_code_from_file

    # (run_name, fname) and a pair back until Python 3.11, (fname) and the code since
    def file_code(*arguments: Any) -> Any:
        name = os.fsdecode(arguments[-1])
        if not is_it(name):
            return from_file(*arguments)
        return (code_of(name), arguments[-1]) if len(arguments) == 2 else code_of(name)

    runner._get_code_from_file = file_code


def new_main() -> Any:
    """An empty `__main__` in the place of this one, which must outlive this: it is running."""
    from types import ModuleType

    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main


def run_file(path: str, values: dict[str, str]) -> None:
    """Run a file as `python FILE` does; `sys.argv` is already that of the file."""
    from importlib.machinery import SourceFileLoader

    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = new_main()
    main.__file__ = os.path.abspath(path)
    main.__loader__ = SourceFileLoader("__main__", path)
    main.__cached__ = None

    def run() -> None:
        with open(path, "rb") as file:
            source = file.read()
        exec(replaced(source, main.__file__, values), main.__dict__)

    plainly(run)


def run_module(name: str) -> None:
    """Run a module as `python -m NAME` does; `sys.argv` is already that of the module."""
    import runpy

    runner: Any = runpy
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    new_main()
    plainly(lambda: runner._run_module_as_main(name))


def plainly(run: Callable[[], Any]) -> None:
    """Run, and show no frame of ours in a traceback, as there is none in a plain run."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:
        inner = error.__traceback__
        while inner is not None and inner.tb_frame.f_code.co_filename in _OURS:
            inner = inner.tb_next
        hook = sys.excepthook

        def shown(kind: type[BaseException], value: BaseException, traceback: TracebackType | None) -> None:
            hook(kind, value.with_traceback(inner), inner)

        sys.excepthook = shown
        raise


def main() -> None:
    words = sys.argv[1:]
    follow()
    asked = wanted()
    if words[:1] == ["-m"]:
        sys.argv = words[1:]
        run_module(words[1])
    else:
        sys.argv = words
        run_file(words[0], asked[1] if asked else {})


if __name__ == "__main__":
    main()
