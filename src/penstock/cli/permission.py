"""What the system does not let this user do is theirs to put right, wherever it comes up."""

from __future__ import annotations

import errno
import os

from penstock.errors import NotWritable, PenstockError, ProjectError

_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)


def worded(error: OSError) -> PenstockError | None:
    """A refusal of the system in our words; None for any other error, and for one that names no file.

    >>> worded(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
    True
    """
    if error.errno not in _MAY_NOT or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    path = os.path.abspath(os.fsdecode(error.filename))
    why = f"{error.strerror}: {path}"
    if error.errno != errno.EROFS and os.path.exists(path) and not os.access(path, os.R_OK):
        return ProjectError(
            f"{path} may not be read", why=why, way_out=f"chmod u+r {path}, or run it as the user to whom it belongs"
        )
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if error.errno == errno.EROFS:
        return NotWritable(
            f"{folder} cannot be written", why=why, way_out="work in a folder of a disk that is not mounted read-only"
        )
    return NotWritable(
        f"{folder} cannot be written",
        why=why,
        way_out=f"work in a folder of your own, or have this one given to you: chown -R {os.geteuid()}:{os.getegid()} {folder}",
    )
