"""`penstock export` and `import` as commands; what archives hold is tested in tests/experiments/keeping/test_archive.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_runs_go_to_another_folder_and_are_read_there(bench: Any, cli: Any, penstock: Any, tmp_path: Path) -> None:
    """By filter, with files and source; a second import changes nothing."""
    kept = bench.add("x", {"lr": 0.1}, [{"step": 0, "loss": 1.0}], source={"train.py": "1\n"}, files={"m.txt": "w"})
    bench.add("y", {"lr": 0.5})
    archive = tmp_path / "runs.zip"
    assert cli("export", str(archive), "--filter", "lr<0.2").body["runs"] == [kept]
    assert cli("export", str(archive)).error["code"] == "bad-parameter"
    other = tmp_path / "other"
    other.mkdir()
    assert penstock(other, "import", str(archive)).body["runs"] == [kept]
    assert penstock(other, "import", str(archive)).body["known"] == [kept]
    assert penstock(other, "cat", kept, "m.txt").body["text"] == "w"
    assert penstock(other, "show", kept, "--source", "train.py").body["text"] == "1\n"
    assert penstock(other, "runs", "--filter", "loss=1").body["runs"][0]["params"] == {"lr": 0.1}
