"""A wheel as a file: PEP 427, written without a build tool. Equal contents give equal bytes."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_WHEN = (1980, 1, 1, 0, 0, 0)


def write_wheel(
    folder: Path,
    *,
    distribution: str,
    version: str,
    files: Mapping[str, bytes],
    summary: str,
    description: str = "",
    requires: Sequence[str] = (),
    commands: Mapping[str, str] | None = None,
    python: str = ">=3.11",
) -> Path:
    """Write a pure-Python wheel into `folder`, and give its path.

    Parameters
    ----------
    distribution : as users write it, with hyphens. files : path in site-packages -> contents.
    requires : what pip installs with it. commands : name -> "module:function".
    """
    stem = f"{distribution.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {distribution}",
        f"Version: {version}",
        f"Summary: {' '.join(summary.split())}",
        f"Requires-Python: {python}",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        "Description-Content-Type: text/markdown",
        "",
        description,
    ]
    contents = dict(files)
    contents[f"{info}/METADATA"] = "\n".join(metadata).encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: penstock\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if commands:
        lines = ["[console_scripts]", *(f"{name} = {target}" for name, target in commands.items()), ""]
        contents[f"{info}/entry_points.txt"] = "\n".join(lines).encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(contents.items())]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(contents.items(), key=lambda item: (item[0].startswith(info), item[0])):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
