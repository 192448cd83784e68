"""Values of secret flags and variables are in nothing that a run leaves behind but the user's own source."""

from __future__ import annotations

import os
from typing import Any

import pytest

SECRET, OTHER = "hunter22-blue", "tok/en+5678 é"
DUMP = f"""
import argparse, json, os, sys
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--api-key", default="")
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()
out = Path(os.environ["PENSTOCK_OUTPUT"])
(out / "config.json").write_text(json.dumps(vars(args)))
(out / "run.sh").write_text("#!/bin/sh\\necho " + os.environ.get("MY_TOKEN", ""))
(out / "run.sh").chmod(0o755)
(out / "plain.txt").write_text("nothing here")
(out / f"model-{{args.api_key}}.txt").write_text("weights")
Path("results").mkdir(exist_ok=True)
Path("results", "report.md").write_text(f"key {{args.api_key}}")
Path(f"elsewhere-{{args.api_key}}.txt").write_text("x")
sys.path.insert(0, {os.getcwd()!r})
import penstock
penstock.log(step=1, **{{args.api_key: 1.0, "loss": 0.5}})
open(f"settings-{{args.api_key}}.txt").read()
open("settings.ini").read()
"""


def run(place: Any, **options: Any) -> Any:
    place.declare('[run]\noutputs = ["results/*"]\n')
    for name, text in (("settings.ini", f"key={SECRET}"), (f"settings-{SECRET}.txt", "y")):
        os.utime(place.write(name, text), (1, 1))
    return place.run_text(DUMP, f"api_key={SECRET}", "lr=0.5", **options)


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", OTHER)


def test_no_secret_is_left_in_the_ledger_or_the_store(place: Any) -> None:
    """Notes, tags, names of metrics and files, and contents of text files."""
    place.write(".gitignore", "settings*\nresults\nelsewhere*\n")
    done = run(
        place,
        tags={"who": f"key {SECRET}", f"tag {OTHER}": "1", "api_key": "abc", "team": "risk"},
        note=f"with {OTHER}",
    )
    assert done.status == "done", done
    record = place.record(done)
    assert record.tags == {"who": "key ***", "tag ***": "1", "api_key": "***", "team": "risk"}
    assert [note["text"] for note in record.notes] == ["with ***"]
    assert {name: found["value"] for name, found in record.metrics.items()} == {"***": 1.0, "loss": 0.5}
    assert set(record.outputs["series"]) == set(done.metrics) == {"***", "loss"}
    assert place.lines(done) == [{"step": 1, "***": 1.0, "loss": 0.5}]
    tree = place.tree(done)
    assert tree.read("config.json") == b'{"api_key": "***", "lr": 0.5}'
    assert tree.read("run.sh") == b"#!/bin/sh\necho ***"
    assert tree.files["run.sh"].mode == 0o755
    assert tree.read("plain.txt") == b"nothing here"
    assert tree.read("model-***.txt") == b"weights"
    assert tree.read("results/report.md") == b"key ***"
    assert (place.root / "results" / "report.md").read_text() == f"key {SECRET}", "the user's own file is as it was"
    assert record.outputs["files_masked"] == ["config.json", "results/report.md", "run.sh"]
    assert any("config.json, results/report.md, run.sh: a secret" in warning for warning in done.warnings)
    assert record.outputs["written_elsewhere"] == ["elsewhere-***.txt"]
    assert set(record.inputs["files"]) == {"settings.ini"}, "told by digest"
    assert record.inputs["files_left_out"] == [{"path": "settings-***.txt", "why": "its name holds a secret"}]
    assert "inputs" not in record.artifacts
    everything = place.everything()
    for secret in (SECRET, OTHER, "en+5678"):
        assert secret.encode() not in everything


def test_files_are_kept_as_they_were_written_where_that_is_wanted(place: Any) -> None:
    """``[run] mask_files = false``."""
    place.declare("[run]\nmask_files = false\n")
    done = place.run_text(
        "import os, pathlib\npathlib.Path(os.environ['PENSTOCK_OUTPUT'], 'a').write_text(os.environ['MY_TOKEN'])\n"
    )
    assert place.tree(done).read("a").decode() == OTHER
    assert "files_masked" not in place.record(done).outputs


def test_data_that_is_no_text_is_never_changed(place: Any) -> None:
    """A mask within it would break it."""
    done = place.run_text(
        "import os, pathlib\npathlib.Path(os.environ['PENSTOCK_OUTPUT'], 'a').write_bytes(b'\\0' + os.environb[b'MY_TOKEN'])\n"
    )
    assert place.tree(done).read("a") == b"\0" + OTHER.encode()


def test_batches_and_queued_runs_mask_their_notes_and_tags(place: Any) -> None:
    from penstock.experiments.running.options import RunOptions
    from penstock.lifecycle.script import prepare

    place.write("train.py", "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr')\np.parse_args()\n")
    options = RunOptions(echo=False, interactive=False, tags={"key": OTHER}, note=f"see {OTHER}")
    batch: Any = prepare(["train.py", "lr=[1,2]"], cwd=place.root).run_batch(options)
    queued = [prepare(["train.py", words], cwd=place.root) for words in ("lr=1", "lr=[1,2]")]
    ids = [batch.id, queued[0].queue(options).id, queued[1].run_batch(options, queue=True).id]
    ids += [trial.run for trial in batch.trials]
    for record in map(place.record, ids):
        assert record.tags["key"] == "***"
        assert [note["text"] for note in record.notes] in (["see ***"], [])
    assert OTHER.encode() not in place.everything()


def test_a_secret_in_the_words_of_a_batch_is_given_again_and_never_queued(place: Any) -> None:
    """Although its flag is not a secret one."""
    from penstock.errors import FlagError
    from penstock.experiments.batches.batch import resume_batch
    from penstock.experiments.running.options import RunOptions
    from penstock.lifecycle.script import flags_of, prepare

    place.write("train.py", "import sys\nlr = 1\nurl = ''\nprint('loss:', lr)\nsys.exit(url == '***')\n")
    quiet = RunOptions(echo=False, interactive=False)
    words = ["train.py", "lr=[1,2]", f"url={OTHER}"]
    batch: Any = prepare(words, cwd=place.root).run_batch(quiet, search="random", n=1)
    assert OTHER.encode() not in place.everything()
    record = place.record(batch.id)
    assert record.params["url"] == "***"
    assert record.inputs["plan"]["words"] == ["lr=[1,2]", "url=***"]

    def resume(*again: str) -> Any:
        return resume_batch(
            place.workspace,
            batch.id,
            lambda target, cwd, python: flags_of(place.workspace, target, cwd),
            n=2,
            words=again,
            options=quiet,
        )

    with pytest.raises(FlagError, match="'url' must be given again"):
        resume()
    assert [trial.status for trial in resume(f"url={OTHER}").trials] == ["done", "done"]
    whole, one = prepare(words, cwd=place.root), prepare(["train.py", f"url={OTHER}"], cwd=place.root)
    with pytest.raises(FlagError, match="'url' holds a secret and cannot be queued"):
        whole.run_batch(quiet, queue=True)
    with pytest.raises(FlagError, match="'url' holds a secret and cannot be queued"):
        one.queue(quiet)
    assert OTHER.encode() not in place.everything()


SHELL = ("sh", "-c", 'echo "given: $@"; echo "$*" > "$PENSTOCK_OUTPUT/all.txt"', "x")


def test_a_secret_flag_of_a_command_is_masked_wherever_it_is_printed(place: Any) -> None:
    """Nothing is known of a command's flags but the name that was given."""
    done = place.run(f"api_key={SECRET}", "lr=0.5", command=SHELL)
    assert place.record(done).params == {"api_key": "***", "lr": 0.5}
    assert place.console(done) == b"given: --api_key *** --lr 0.5\n"
    assert SECRET.encode() not in place.everything()


def test_a_secret_in_the_words_of_a_command_is_masked_and_never_needed_again(place: Any) -> None:
    """It is in no output and no queue, and what would need it again is refused: `***` is no password."""
    from penstock.errors import FlagError
    from penstock.experiments.batches.batch import resume_batch
    from penstock.experiments.reproducing.reproduce import reproduce_script
    from penstock.experiments.running.options import RunOptions
    from penstock.lifecycle.script import flags_of, prepare

    words = (*SHELL, "--password", SECRET, f"--token={OTHER}")
    quiet = RunOptions(echo=False, interactive=False)
    done = place.run(command=words)
    assert place.console(done) == b"given: --password *** --token=***\n"
    with pytest.raises(FlagError, match="the command 'sh' held a secret"):
        reproduce_script(place.workspace, place.record(done))
    batch: Any = prepare(["lr=[1,2]"], command=words, cwd=place.root).run_batch(quiet)
    assert [trial.status for trial in batch.trials] == ["done", "done"]
    with pytest.raises(FlagError, match="the command 'sh' held a secret"):
        resume_batch(place.workspace, batch.id, lambda target, cwd, python: flags_of(place.workspace, target, cwd), n=3)
    with pytest.raises(FlagError, match="the command 'sh' holds a secret and cannot be queued"):
        prepare([], command=words, cwd=place.root).queue(quiet)
    with pytest.raises(FlagError, match="the command 'sh' holds a secret and cannot be queued"):
        prepare(["lr=[1,2]"], command=words, cwd=place.root).run_batch(quiet, queue=True)
    everything = place.everything()
    assert SECRET.encode() not in everything
    assert OTHER.encode() not in everything
