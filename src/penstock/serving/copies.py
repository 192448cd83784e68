"""Copies of bundles in the serving folder: what a server loads is its own, whatever becomes of the original."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from penstock.objects.files import naming_full_disk, sync_folder


def copy_bundle(source: Path, target: Path) -> None:
    """Have the bundle's files at `target`, whole. A copy that is there but differs (a flipped bit) is replaced."""
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    if target.is_dir() and filecmp.cmpfiles(source, target, names, shallow=False)[0] == names:
        return
    fresh = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with naming_full_disk(target):
            fresh.mkdir(parents=True)
            for name in names:
                shutil.copyfile(source / name, fresh / name)
                with (fresh / name).open("rb") as file:
                    os.fsync(file.fileno())
        if target.is_dir():
            shutil.rmtree(target)
        fresh.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
