"""What lies on the disk, looked at by one process or two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .folders import write

PROGRAM = """
import os, sys
from pathlib import Path
from penstock.data.items import scan as scans
from penstock.errors import SourceError
from penstock.objects import second as seconds

root, how = Path(sys.argv[1]), sys.argv[2]
forks, fork = [], os.fork
os.fork = lambda: forks.append(1) or fork()
scans.SHARED_FILES = scans.SHARED_FOLDERS = scans.MANY_FOLDERS = 3
if how == "alone":
    seconds._may_fork = lambda: False
if how == "early":
    with scans.scanning(root) as look:
        found = look()
else:
    found = scans.scan(root)
print(found.columns(), found.left_out, found.kind, len(forks) - (0 if how == "alone" else 1))

def refused(place):
    if place.endswith("f7"):
        raise PermissionError(13, "Permission denied")
    return listed(place)

listed, os.scandir = os.scandir, refused
try:
    with scans.scanning(root) as look:
        look()
except SourceError as error:
    print(error.what)
"""


def test_what_is_found_is_the_same_whoever_looks(tmp_path: Path) -> None:
    """By one process, by two, and by one that begins early: files, times, modes, what is ignored and left out; and the same error."""
    files = {f"f{i % 10}/{i}/{j}.txt": b"x" * i for i in range(30) for j in range(3)}
    folder = write(tmp_path / "in", {**files, "a": b"1", "b": b"2", "c": b"3", ".penstockignore": b"*5/\n!keep\n"})
    write(folder, {"f3/.penstockignore": b"*.txt\n", "f3/keep": b"", ".git/x": b"", "f8/ü": b"y"})
    (folder / "f2" / "run").write_bytes(b"#!")
    (folder / "f2" / "run").chmod(0o755)
    for name in ("f9", "f1", "f4"):
        (folder / name / "link").symlink_to("/")
    printed = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder), how], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        for how in ("alone", "by two", "early")
    ]
    assert printed[0] == printed[1] == printed[2]
    assert "'f7' cannot be read" in printed[0] or "'f7/' cannot be read" in printed[0]
    assert "f5/15/" not in printed[0]
    assert "f3/keep" in printed[0]
