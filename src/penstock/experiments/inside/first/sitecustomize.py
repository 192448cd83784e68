"""Runs first in every Python process of a run: sees which files are opened, and makes what is printed come at once.

Found through PYTHONPATH before any other `sitecustomize`, which it hands over to. It needs nothing but the standard library, of
any Python from 3.8 on, and nothing of it stays on the script's module path. A process that is no run of Penstock's does nothing.

It tells on ``opened.jsonl`` in the folder of the run, a line per file and way of opening::

    {"path": "/data/train.csv", "mode": "r", "at": "train.py:12"}
    {"interpreter": {"python": "3.11.7", "executable": ..., "prefix": ..., "path": [...]}}
"""

import os
import sys
from _thread import get_ident

_MOST = 20000  # files that one process tells of; beyond, it says only that there are more


def _begin(folder: str) -> None:
    """Watch what this process opens, and tell on a file of the run's folder."""
    state = {"fd": -1, "pid": 0, "count": 0}
    seen: set = set()
    busy: set = set()
    own = os.path.join(folder, "")
    told_on = own + "opened.jsonl"
    files = own + "files" + os.sep
    penstock = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))) + os.sep
    places = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        "/proc",
        "/sys",
        "/dev",
        "/etc",
        "/usr/lib",
        "/usr/share",
        "/run",
    }
    places.update(p for p in sys.path if "site-packages" in p or "dist-packages" in p)
    passed_over = tuple(os.path.join(p, "") for p in places if p and p != os.sep) + (penstock,)
    sealed = {}
    for path in os.environ.get("PENSTOCK_WATCH", "").split(os.pathsep):
        if path:
            sealed[os.path.realpath(path)] = path
    write_flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def tell(line: str) -> None:
        if state["fd"] < 0 or state["pid"] != os.getpid():
            state["fd"] = os.open(told_on, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            state["pid"] = os.getpid()
        os.write(state["fd"], (line + "\n").encode("utf-8", "surrogatepass"))

    def quoted(text: str) -> str:
        if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
            return '"' + text + '"'
        import json

        return json.dumps(text)

    def caller() -> str:
        """The line of the user's own code that opened it."""
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if not name.startswith("<") and not name.startswith(passed_over):
                return "%s:%d" % (os.path.basename(name), frame.f_lineno)
            frame = frame.f_back  # type: ignore[assignment]
        return ""

    def note(path: object, writes: bool) -> None:
        if type(path) is bytes:
            path = os.fsdecode(path)
        elif type(path) is not str:
            if not hasattr(path, "__fspath__"):
                return  # a number: that file was opened before
            path = os.fsdecode(path)
        key = (path, writes)
        if key in seen:
            return
        if state["count"] >= _MOST:
            return
        whole = path if path.startswith(os.sep) else os.path.join(os.getcwd(), path)
        whole = os.path.normpath(whole)
        seen.add(key)
        if whole.startswith(own):
            if not (writes and whole.startswith(files) and "tfevents" in whole):
                return
        elif sealed and os.path.realpath(whole) in sealed:
            pass
        elif whole.startswith(passed_over) or "__pycache__" in whole or (os.sep + ".penstock" + os.sep) in whole:
            return
        state["count"] += 1
        if state["count"] == _MOST:
            tell('{"more":true}')
            return
        at = caller()
        tell('{"path":%s,"mode":"%s"%s}' % (quoted(whole), "w" if writes else "r", ',"at":' + quoted(at) if at else ""))

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            writes = (
                ("w" in mode or "a" in mode or "+" in mode or "x" in mode)
                if type(mode) is str
                else bool((flags or 0) & write_flags)
            )
        elif event == "os.rename":
            path, writes = args[1], True
        elif event == "sqlite3.connect":
            path, writes = args[0], False
            if not isinstance(path, (str, bytes)) or path in (":memory:", "", b""):
                return
        elif event == "import" and args[0] == "tensorflow":  # its own writer of event files does not pass here
            tell('{"uses":"tensorflow"}')
            return
        else:
            return
        thread = get_ident()
        if thread in busy:  # what this hook opens itself
            return
        busy.add(thread)
        try:
            note(path, writes)
        except Exception:  # the script is not to suffer from what looks on: a full disk, a folder that is gone
            pass
        finally:
            busy.discard(thread)

    executable = sys.executable or ""
    shown = ",".join(quoted(p) for p in sys.path if p)
    try:
        tell(
            '{"interpreter":{"python":%s,"executable":%s,"prefix":%s,"path":[%s]}}'
            % (quoted(sys.version.split()[0]), quoted(executable), quoted(sys.prefix), shown)
        )
    except OSError:
        pass
    sys.addaudithook(hook)


def _print_at_once() -> None:
    """Each line is handed on when it ends, as on a terminal: a killed script loses none."""
    try:
        sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    except Exception:  # closed, or of the user's own
        pass


def _follow_values() -> None:
    """Let this process see the constants that the run has set, where it imports the script: a worker that it spawned."""
    inside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.insert(0, inside)
    try:
        import penstock_values
    finally:
        sys.path.remove(inside)
    penstock_values.follow()


def _leave() -> None:
    """Take this folder off the module path, and run the `sitecustomize` that would have run without us."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or os.curdir) != here]
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401 - it runs
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


if os.environ.get("PENSTOCK_RUN_FOLDER") and os.path.isdir(os.environ["PENSTOCK_RUN_FOLDER"]):
    _print_at_once()
    if hasattr(sys, "addaudithook"):
        _begin(os.environ["PENSTOCK_RUN_FOLDER"])
if os.environ.get("PENSTOCK_VALUES"):
    _follow_values()
_leave()
