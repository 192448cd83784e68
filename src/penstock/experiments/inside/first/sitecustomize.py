"""Runs first in every Python process of a run: sees which files are opened, and makes what is printed come at once.

Found through PYTHONPATH before any other `sitecustomize`, which it hands over to. It needs nothing but the standard library, of
any Python from 3.8 on, and nothing of it stays on the script's module path. A process that is no run of Penstock's does nothing.

It tells on ``opened.jsonl`` in the folder of the run, a line per file and way of opening::

    {"path": "/data/train.csv", "mode": "r", "stamp": [size, mtime_ns, inode], "at": "train.py:12"}
    {"interpreter": {"python": "3.11.7", "executable": ..., "prefix": ..., "path": [...]}}
"""

import os
import sys
from _thread import get_ident

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/run", "/usr/lib", "/usr/share")
_OF_TOOLS = (
    ".ipython", ".jupyter", ".local/share/jupyter", ".config", ".matplotlib", ".cache/matplotlib", ".cache/pip", ".cache/fontconfig",
)  # fmt: skip
_MOST = 20000  # files that one process tells of; beyond, only of sealed ones and the project's rows, and that there are more
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _begin(folder: str) -> None:
    """Watch what this process opens, and tell on a file of the run's folder."""
    seen: set = set()
    busy: set = set()
    told_on = os.path.join(folder, "opened.jsonl")
    own = os.path.join(folder, "")
    files = os.path.join(folder, "files", "")
    home = os.path.expanduser("~")
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    places.update(p for p in sys.path if "site-packages" in p or "dist-packages" in p)
    places.update(_SYSTEM)
    places.update(os.path.join(home, name) for name in _OF_TOOLS)
    penstock = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    places.add(penstock)
    passed_over = tuple(p + os.sep for p in places if p and p != os.sep and p != home)
    rows = {
        os.environ.get(name) for name in ("PENSTOCK_TRAIN", "PENSTOCK_VALID")
    }  # of a project: they lie in its .penstock
    sealed = {os.path.realpath(p) for p in os.environ.get("PENSTOCK_WATCH", "").split(os.pathsep) if p}

    def tell(line: str) -> None:
        """One write, so that lines of several processes do not mix; no descriptor stays open that the script could close."""
        descriptor = os.open(told_on, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (line + "\n").encode("utf-8", "surrogatepass"))
        finally:
            os.close(descriptor)

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

    def source_of(compiled: str) -> str:
        """The module behind its compiled form: of one that was imported before, Python opens that alone."""
        import _frozen_importlib_external as finding

        try:
            source = finding.source_from_cache(compiled)
        except (NotImplementedError, ValueError):
            return compiled
        return source if os.path.exists(source) else compiled

    def note(path: object, writes: bool) -> None:
        if isinstance(path, int):
            return  # a descriptor: that file was opened before
        path = os.fsdecode(path)  # type: ignore[arg-type]
        whole = os.path.normpath(path if path.startswith(os.sep) else os.path.join(os.getcwd(), path))
        if whole.endswith(".pyc") and not writes:
            whole = source_of(whole)
        key = hash((whole, writes))
        if key in seen:
            return
        events = writes and "tfevents" in whole
        always = events or whole in rows or (sealed and os.path.realpath(whole) in sealed)
        if len(seen) > _MOST and not always:
            return
        if whole.startswith(own):
            if not (events and whole.startswith(files)):
                return
        elif not always and (
            whole.startswith(passed_over) or "__pycache__" in whole or (os.sep + ".penstock" + os.sep) in whole
        ):
            return
        stamp = ""
        if not writes:
            try:
                status = os.stat(whole)
            except OSError:
                return  # only looked for
            if status.st_mode & 0o170000 != 0o100000:  # no regular file
                return
            stamp = ',"stamp":[%d,%d,%d]' % (status.st_size, status.st_mtime_ns, status.st_ino)
        seen.add(key)
        if len(seen) == _MOST + 1:
            tell('{"more":true}')
        if len(seen) > _MOST and not always:
            return
        at = caller()
        at = ',"at":' + quoted(at) if at else ""
        tell('{"path":%s,"mode":"%s"%s%s}' % (quoted(whole), "w" if writes else "r", stamp, at))

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            if type(mode) is str:
                writes = "w" in mode or "a" in mode or "+" in mode or "x" in mode
                reads = not writes or ("+" in mode and "w" not in mode and "x" not in mode)
            else:
                writes = bool((flags or 0) & _WRITES)
                reads = not writes
        elif event == "os.rename":
            path, reads, writes = args[1], False, True
        elif event == "sqlite3.connect":
            path, reads, writes = args[0], True, False
        elif event == "import" and args[0] == "tensorflow":
            path, reads, writes = None, False, False
        else:
            return
        thread = get_ident()
        if thread in busy:  # what this hook opens itself
            return
        busy.add(thread)
        try:
            if path is None:  # its own writer of event files does not pass here
                tell('{"uses":"tensorflow"}')
            if reads:
                note(path, False)
            if writes:
                note(path, True)
        except Exception:  # the script is not to suffer from what looks on: a full disk, a folder that is gone
            pass
        finally:
            busy.discard(thread)

    shown = ",".join(quoted(p) for p in sys.path if p)
    told = (quoted(sys.version.split()[0]), quoted(sys.executable or ""), quoted(sys.prefix), shown)
    try:
        tell('{"interpreter":{"python":%s,"executable":%s,"prefix":%s,"path":[%s]}}' % told)
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
