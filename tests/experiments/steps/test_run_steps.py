"""Steps run where something has changed, and only there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ProjectError, StepError
from penstock.experiments.steps import one
from penstock.experiments.steps.results import StepsResult
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

Run = Callable[..., StepsResult]


def statuses(result: StepsResult) -> dict[str, str]:
    return {step.name: step.status for step in result.steps}


def why(result: StepsResult, name: str) -> str:
    return next(step.why for step in result.steps if step.name == name)


def test_the_second_time_nothing_is_run_and_nothing_recorded(folder: Path, run: Run) -> None:
    """Neither runs nor files change."""
    first = run()
    assert statuses(first) == {"prepare": "ran", "train": "ran", "report": "ran"}
    assert (folder / "report.txt").read_text() == "HELLO\n1 6"
    before = [record.id for record in Workspace(folder).ledger.runs()]
    again = run()
    assert statuses(again) == {"prepare": "known", "train": "known", "report": "known"}
    assert again.run is None
    assert again.exit_code == 0
    assert [record.id for record in Workspace(folder).ledger.runs()] == before


def test_each_step_is_a_run_of_the_pipeline(folder: Path, run: Run) -> None:
    """With its parameters, metrics and console; the pipeline's own run is their parent."""
    result = run()
    ledger = Workspace(folder).ledger
    whole = ledger.get(result.run or "")
    assert (whole.operation, whole.status) == ("steps", "done")
    children = ledger.children(whole.id)
    assert [child.operation for child in children] == ["prepare", "train", "report"]
    train = children[1]
    assert train.params == {"rate": 1}
    assert train.metrics["loss"]["value"] == 1
    assert train.inputs["step"] == "train"
    assert ledger.artifact(train, "console") == b"loss: 1.0\n"


def test_outputs_and_inputs_are_one_lineage(folder: Path, run: Run) -> None:
    """From the raw file to the report."""
    result = run()
    ledger = Workspace(folder).ledger
    reached = {record["operation"] for record in ledger.lineage(result.steps[-1].run or "").to_json()["runs"]}
    assert reached >= {"prepare", "train", "report"}


def test_a_parameter_runs_its_step_and_what_follows(folder: Path, run: Run, edit: Any) -> None:
    """And says which one."""
    run()
    edit("rate = 1", "rate = 2")
    result = run()
    assert statuses(result) == {"prepare": "known", "train": "ran", "report": "ran"}
    assert why(result, "train") == "rate is 2 instead of 1"


def test_an_equal_output_stops_what_follows(folder: Path, run: Run, edit: Any) -> None:
    """Two rates above the limit give the same model: the report is known."""
    edit("rate = 1", "rate = 7")
    run()
    edit("rate = 7", "rate = 8")
    assert statuses(run()) == {"prepare": "known", "train": "ran", "report": "known"}


def test_what_was_made_once_is_never_made_again(folder: Path, run: Run, edit: Any) -> None:
    """Back to an earlier parameter: its outputs come from the store."""
    run()
    edit("rate = 1", "rate = 2")
    run()
    edit("rate = 2", "rate = 1")
    result = run()
    assert set(statuses(result).values()) == {"known"}
    assert result.steps[1].restored == ("model",)
    assert (folder / "model" / "weights.txt").read_text() == "1 6"
    assert (folder / "report.txt").read_text() == "HELLO\n1 6"


@pytest.mark.parametrize(
    ("file", "text", "step", "reason"),
    [
        ("raw.txt", "bye\n", "prepare", "its input raw.txt was changed"),
        ("train.py", "# new\n", "train", "train.py was changed"),
        ("helper.py", "LIMIT = 0\n", "train", "helper.py was changed"),
    ],
)
def test_a_changed_file_runs_its_step(folder: Path, run: Run, file: str, text: str, step: str, reason: str) -> None:
    """An input, the script, and a module that the script imports."""
    run()
    path = folder / file
    path.write_text(path.read_text() + text if file == "train.py" else text)
    result = run()
    assert statuses(result)[step] == "ran"
    assert why(result, step) == reason


def test_a_file_that_a_step_was_seen_to_read_counts_too(declare: Any, run: Run) -> None:
    """Though nobody declared it."""
    folder = declare('[[step]]\nname = "a"\nrun = "python a.py"\noutputs = ["out.txt"]\n')
    (folder / "a.py").write_text("open('out.txt', 'w').write(open('hidden.csv').read())")
    (folder / "hidden.csv").write_text("1")
    run()
    assert statuses(run()) == {"a": "known"}
    (folder / "hidden.csv").write_text("2")
    result = run()
    assert why(result, "a") == "hidden.csv was changed"
    assert (folder / "out.txt").read_text() == "2"


def test_a_file_of_the_source_that_a_step_opens_itself_counts_too(declare: Any, run: Run) -> None:
    """A configuration and a module under a name made at run time; a file that it does not read changes nothing."""
    folder = declare('[[step]]\nname = "a"\nrun = "python a.py"\noutputs = ["out.txt"]\n')
    (folder / "a.py").write_text(
        "import importlib, json\n"
        "rate = json.load(open('conf/rates.json'))['rate'] * importlib.import_module('plug' + 'in').TIMES\n"
        "open('out.txt', 'w').write(str(rate))\n"
    )
    (folder / "conf").mkdir()
    (folder / "conf" / "rates.json").write_text('{"rate": 1}')
    (folder / "conf" / "other.json").write_text("{}")
    (folder / "plugin.py").write_text("TIMES = 10\n")
    run()
    assert statuses(run()) == {"a": "known"}
    [record] = Workspace(folder).ledger.runs("a")
    assert {"conf/rates.json", "plugin.py"} <= set(record.inputs["source_read"])
    (folder / "conf" / "other.json").write_text('{"x": 1}')
    assert statuses(run()) == {"a": "known"}
    (folder / "conf" / "rates.json").write_text('{"rate": 2}')
    assert why(run(), "a") == "conf/rates.json was changed"
    (folder / "plugin.py").write_text("TIMES = 100\n")
    assert why(run(), "a") == "plugin.py was changed"
    assert (folder / "out.txt").read_text() == "200"


def test_a_touched_file_is_not_a_changed_one(folder: Path, run: Run) -> None:
    """Contents count, not times."""
    run()
    for name in ("raw.txt", "train.py", "clean.txt"):
        (folder / name).touch()
    assert set(statuses(run()).values()) == {"known"}


def test_deleted_outputs_are_put_back(folder: Path, run: Run) -> None:
    """Files and folders, without running anything."""
    run()
    (folder / "clean.txt").unlink()
    (folder / "model" / "weights.txt").unlink()
    (folder / "model").rmdir()
    result = run()
    assert set(statuses(result).values()) == {"known"}
    assert (folder / "clean.txt").read_text() == "HELLO\n"
    assert (folder / "model" / "weights.txt").read_text() == "1 6"


def test_an_output_that_was_too_large_to_keep_is_made_again(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are put back."""
    monkeypatch.setattr(one, "LARGEST_BYTES", 5)
    run()
    (folder / "clean.txt").unlink()
    (folder / "model" / "weights.txt").unlink()
    result = run()
    assert statuses(result) == {"prepare": "ran", "train": "known", "report": "known"}
    assert why(result, "prepare") == "its output clean.txt is gone, and the store does not have it"


def test_an_output_that_somebody_changed_is_made_again(folder: Path, run: Run) -> None:
    """What the file holds is then what the step makes."""
    run()
    (folder / "clean.txt").write_text("by hand")
    result = run()
    assert statuses(result) == {"prepare": "ran", "train": "known", "report": "known"}
    assert "was changed after run" in why(result, "prepare")
    assert (folder / "clean.txt").read_text() == "HELLO\n"


def test_a_folder_says_which_of_its_files_changed(declare: Any, run: Run) -> None:
    """New, changed, gone."""
    folder = declare('[[step]]\nname = "a"\nrun = "true"\ninputs = ["data"]\n')
    for name in "abc":
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / name).write_text(name)
    run()
    (folder / "data" / "a").write_text("other")
    (folder / "data" / "b").unlink()
    (folder / "data" / "d").write_text("d")
    assert why(run(), "a") == "its input data was changed (data/a was changed; data/d is new; data/b is gone)"


def test_a_step_that_does_not_make_its_outputs_fails(declare: Any, run: Run) -> None:
    """Although its command ended well; so does the whole."""
    folder = declare(
        '[[step]]\nname = "a"\nrun = "true"\noutputs = ["a.txt", "b.txt"]\n[[step]]\nname = "b"\nrun = "true"\ninputs = ["a.txt"]\n'
    )
    result = run()
    assert statuses(result) == {"a": "failed", "b": "not run"}
    assert result.exit_code == 1
    assert why(result, "a") == "it has not made a.txt, b.txt"
    assert why(result, "b") == "it follows a, which failed"
    ledger = Workspace(folder).ledger
    record = ledger.get(result.steps[0].run or "")
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["code"] == "step"
    assert ledger.get(result.run or "").status == "failed"
    assert statuses(run())["a"] == "failed"


THREE = """
[[step]]
name = "bad"
run = "echo sorry >&2; exit 3"
outputs = ["bad.txt"]
[[step]]
name = "after"
run = "true"
inputs = ["bad.txt"]
[[step]]
name = "other"
run = "echo fine > other.txt"
outputs = ["other.txt"]
"""


def test_a_failure_keeps_what_follows_from_running(declare: Any, run: Run) -> None:
    """And, unless told to keep going, everything that has not begun."""
    declare(THREE)
    first = run(workers=1)
    assert statuses(first) == {"bad": "failed", "after": "not run", "other": "not run"}
    assert "sorry" in why(first, "bad")
    again = run(workers=1, keep_going=True)
    assert statuses(again) == {"bad": "failed", "after": "not run", "other": "ran"}


def test_a_missing_input_is_refused_before_anything_runs(folder: Path, run: Run, edit: Any) -> None:
    """With the step and the nearest name."""
    edit('inputs = ["clean.txt", "model"]', 'inputs = ["clean.txt", "model", "raw.tx"]')
    with pytest.raises(StepError, match=r"step 'report' needs 'raw\.tx'") as error:
        run()
    assert error.value.way_out == "did you mean 'raw.txt'?"
    assert Workspace(folder).ledger.runs() == []


def test_an_input_that_its_maker_did_not_make_fails_with_its_name(declare: Any, run: Run) -> None:
    """A folder was promised, and the file in it is missing."""
    declare(
        '[[step]]\nname = "a"\nrun = "mkdir -p out && touch out/x"\noutputs = ["out/"]\n'
        '[[step]]\nname = "b"\nrun = "true"\ninputs = ["out/y"]\n'
    )
    result = run()
    assert statuses(result) == {"a": "ran", "b": "failed"}
    assert why(result, "b") == "its input out/y is not there, although a ran before it"


def test_independent_steps_run_at_the_same_time(declare: Any, run: Run) -> None:
    """Each waits for the other: one after the other they would never end."""
    wait = "touch {0}.on; for i in $(seq 100); do test -e {1}.on && exit 0; sleep 0.1; done; exit 1"
    declare(
        f'[[step]]\nname = "a"\nrun = "{wait.format("a", "b")}"\n[[step]]\nname = "b"\nrun = "{wait.format("b", "a")}"\n'
    )
    assert statuses(run(workers=2)) == {"a": "ran", "b": "ran"}


def test_lines_of_steps_that_run_at_the_same_time_are_told_apart(declare: Any, capfd: Any) -> None:
    """By the name in front; what is kept of a step is as it printed it. One at a time they need no names."""
    from penstock.experiments.steps.execute import run_steps

    folder = declare(
        "".join(
            f'[[step]]\nname = "{name}"\nrun = "for i in 1 2 3; do printf {name}; sleep 0.05; echo $i; done; printf end >&2"\n'
            for name in ("a", "long")
        )
    )
    run_steps(Workspace(folder), workers=2)
    shown = capfd.readouterr()
    assert sorted(shown.out.splitlines()) == [*(f"a    | a{i}" for i in "123"), *(f"long | long{i}" for i in "123")]
    assert sorted(shown.err.splitlines()) == ["a    | end", "long | end"]
    ledger = Workspace(folder).ledger
    [record] = ledger.runs("long")
    assert b" | " not in ledger.artifact(record, "console")
    run_steps(Workspace(folder), workers=1, force=True)
    assert capfd.readouterr().out.splitlines() == [f"{name}{i}" for name in ("a", "long") for i in "123"]


def test_only_the_named_steps_and_what_they_need_are_run(folder: Path, run: Run) -> None:
    """And with force they alone are run again."""
    assert statuses(run(only=["train"])) == {"prepare": "ran", "train": "ran"}
    assert statuses(run(only=["train"], force=True)) == {"prepare": "known", "train": "ran"}
    assert not (folder / "report.txt").exists()


def test_a_dry_run_says_what_it_would_do(folder: Path, run: Run, edit: Any) -> None:
    """And does nothing."""
    run()
    edit("rate = 1", "rate = 2")
    result = run(dry=True)
    assert statuses(result) == {"prepare": "known", "train": "would run", "report": "may run"}
    assert (folder / "report.txt").read_text() == "HELLO\n1 6"


def test_steps_run_in_one_process_at_a_time(folder: Path, run: Run) -> None:
    """The other is told who does."""
    workspace = Workspace(folder)
    with workspace.ledger.lock(f"steps {workspace.root}"), pytest.raises(ProjectError):
        run()


def test_secret_parameters_are_masked_and_no_reason_to_run(declare: Any, run: Run, edit: Any) -> None:
    """Neither in the record nor in what it printed; the step gets the real one."""
    folder = declare(
        '[[step]]\nname = "a"\nrun = "echo got {api_key} > out.txt; cat out.txt"\noutputs = ["out.txt"]\n'
        'params = { api_key = "s3cret-value-1" }\n'
    )
    result = run()
    ledger = Workspace(folder).ledger
    record = ledger.get(result.steps[0].run or "")
    assert "s3cret-value-1" not in str(record.to_json())
    assert b"s3cret" not in ledger.artifact(record, "console")
    assert (folder / "out.txt").read_text() == "got s3cret-value-1\n"
    edit("s3cret-value-1", "s3cret-value-2")
    assert statuses(run()) == {"a": "known"}


def test_a_step_that_overruns_its_time_fails(declare: Any, run: Run) -> None:
    """And says so."""
    declare('[[step]]\nname = "a"\nrun = "sleep 60"\ntimeout = "0.5s"\n')
    result = run()
    assert statuses(result) == {"a": "failed"}
    assert "0.5 s" in why(result, "a")


def test_several_lines_end_at_the_first_that_fails(declare: Any, run: Run) -> None:
    """As a script that a person writes is meant."""
    folder = declare("[[step]]\nname = 'a'\nrun = '''\nfalse\ntouch later\n'''\n")
    assert statuses(run()) == {"a": "failed"}
    assert not (folder / "later").exists()


def test_a_step_that_changes_its_own_input_is_told_so(declare: Any, run: Run) -> None:
    """It will run every time: that is shown, not hidden."""
    folder = declare('[[step]]\nname = "a"\nrun = "echo more >> log.txt"\ninputs = ["log.txt"]\n')
    (folder / "log.txt").write_text("")
    result = run()
    assert "a: log.txt was changed while it ran: it will run again next time" in result.warnings
    assert statuses(run()) == {"a": "ran"}


def test_a_file_that_the_command_writes_undeclared_is_no_reason_to_run(declare: Any, run: Run) -> None:
    """A log beside the outputs."""
    declare('[[step]]\nname = "a"\nrun = "echo hello > run.log"\n')
    run()
    assert statuses(run()) == {"a": "known"}


def test_an_output_outside_of_the_folder_works_but_is_not_kept(tmp_path: Path) -> None:
    """On a large disk, for instance."""
    from penstock.experiments.steps.execute import run_steps

    inside, outside = tmp_path / "in", tmp_path / "big"
    inside.mkdir()
    (inside / "penstock.toml").write_text(
        f'[[step]]\nname = "a"\nrun = "echo x > {outside}/x.txt"\noutputs = ["../big/x.txt"]\n'
        f'[[step]]\nname = "b"\nrun = "cp {outside}/x.txt y.txt"\ninputs = ["{outside}/x.txt"]\noutputs = ["y.txt"]\n'
    )
    first = run_steps(Workspace(inside), echo=False)
    assert statuses(first) == {"a": "ran", "b": "ran"}
    (outside / "x.txt").unlink()
    assert statuses(run_steps(Workspace(inside), echo=False)) == {"a": "ran", "b": "known"}


def test_an_output_behind_a_link_is_made_again_not_put_back(declare: Any, run: Run, tmp_path: Path) -> None:
    """Nothing is written through a link but by the command itself; the other steps go on."""
    folder = declare(
        '[[step]]\nname = "train"\nrun = "mkdir -p models && echo w > models/w.txt"\noutputs = ["models/"]\n'
        '[[step]]\nname = "other"\nrun = "echo o > o.txt"\noutputs = ["o.txt"]\n'
    )
    run()
    (folder / "models" / "w.txt").unlink()
    (folder / "models").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "models").symlink_to(tmp_path / "elsewhere")
    again = run()
    assert statuses(again) == {"train": "ran", "other": "known"}
    assert "behind the link models" in why(again, "train")
    assert (tmp_path / "elsewhere" / "w.txt").read_text() == "w\n"
    assert statuses(run()) == {"train": "known", "other": "known"}
    (tmp_path / "elsewhere" / "w.txt").unlink()
    assert statuses(run()) == {"train": "ran", "other": "known"}


def test_an_output_whose_folder_cannot_be_made_fails_its_step_alone(declare: Any, run: Run) -> None:
    folder = declare(
        '[[step]]\nname = "train"\nrun = "echo w > models/w.txt"\noutputs = ["models/w.txt"]\n'
        '[[step]]\nname = "other"\nrun = "echo o > o.txt"\noutputs = ["o.txt"]\n'
    )
    (folder / "models").symlink_to(folder / "nowhere")
    result = run(keep_going=True)
    assert statuses(result) == {"train": "failed", "other": "ran"}
    assert "cannot write to" in why(result, "train")


def test_an_output_that_the_store_has_lost_in_part_fails_its_step_alone(declare: Any, run: Run) -> None:
    folder = declare(
        '[[step]]\nname = "a"\nrun = "echo w > a.txt"\noutputs = ["a.txt"]\n'
        '[[step]]\nname = "b"\nrun = "echo o > b.txt"\noutputs = ["b.txt"]\n'
    )
    run()
    workspace = Workspace(folder)
    [step] = workspace.ledger.runs("a")
    packs = read_tree(workspace.objects, step.outputs["step"]["tree"]).packs
    for pack in packs:
        workspace.objects.delete(pack)
    (folder / "a.txt").unlink()
    result = run(keep_going=True)
    assert statuses(result) == {"a": "failed", "b": "known"}
    assert "cannot be put back" in why(result, "a")
    assert statuses(run(only=["a"], force=True)) == {"a": "ran"}
    (folder / "a.txt").unlink()
    (folder / "a.txt").mkdir()
    (folder / "a.txt" / "in the way").write_text("")
    assert statuses(run(keep_going=True)) == {"a": "failed", "b": "known"}


def test_a_run_of_others_is_never_taken_for_a_known_step(folder: Path, run: Run, tmp_path: Path) -> None:
    """An archive shows what others have computed; here it is computed again."""
    from penstock.experiments.keeping.archive import export_runs, import_runs

    first = run(only=["prepare"])
    workspace = Workspace(folder)
    export_runs(workspace, [first.steps[0].run or ""], tmp_path / "runs.zip")
    workspace.ledger.forget([first.steps[0].run or ""])
    import_runs(workspace, tmp_path / "runs.zip")
    assert statuses(run(only=["prepare"])) == {"prepare": "ran"}


def test_a_run_in_the_trash_is_not_known_any_more(folder: Path, run: Run) -> None:
    """Until it is restored."""
    result = run()
    ledger = Workspace(folder).ledger
    ledger.delete([result.steps[0].run or ""])
    assert statuses(run(only=["prepare"])) == {"prepare": "ran"}


def test_whatever_happens_in_between_the_result_is_that_of_a_clean_run(
    folder: Path, run: Run, edit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random edits, deletions and tampering: after the next run all outputs are what the inputs say."""
    import random

    # Python itself takes compiled code for fresh where a module is edited twice in a second at the same size.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    rng = random.Random(3)
    text, rate, limit = "hello\n", 1, 5

    def expected() -> dict[str, str]:
        model = f"{min(rate, limit)} {len(text)}"
        return {"clean.txt": text.upper(), "model/weights.txt": model, "report.txt": text.upper() + model}

    for _ in range(14):
        for _ in range(rng.randint(1, 2)):
            what = rng.choice(["input", "param", "module", "delete", "tamper"])
            output = rng.choice(list(expected()))
            if what == "input":
                text = "".join(rng.choices("abc", k=rng.randint(1, 3))) + "\n"
                (folder / "raw.txt").write_text(text)
            elif what == "param":
                before, rate = rate, rng.randint(1, 4)
                edit(f"rate = {before}", f"rate = {rate}")
            elif what == "module":
                limit = rng.randint(1, 4)
                (folder / "helper.py").write_text(f"LIMIT = {limit}\n")
            elif what == "delete":
                (folder / output).unlink(missing_ok=True)
            elif (folder / output).exists():
                (folder / output).write_text("tampered")
        result = run(workers=2)
        assert result.exit_code == 0, result.to_text()
        assert {name: (folder / name).read_text() for name in expected()} == expected()
        assert set(statuses(run()).values()) == {"known"}


def test_names_that_are_no_utf_8_are_inputs_like_others(declare: Any, run: Run) -> None:
    """A file system may hold any bytes."""
    import os

    folder = declare('[[step]]\nname = "a"\nrun = "cp -r data out"\ninputs = ["data"]\noutputs = ["out"]\n')
    (folder / "data").mkdir()
    odd = os.fsencode(folder / "data") + b"/\xff.txt"
    with open(odd, "wb") as file:
        file.write(b"1")
    assert statuses(run()) == {"a": "ran"}
    assert statuses(run()) == {"a": "known"}
    with open(odd, "wb") as file:
        file.write(b"2")
    assert statuses(run(dry=True)) == {"a": "would run"}


def test_an_output_that_another_step_reads_unsaid_is_warned_of(declare: Any, run: Run) -> None:
    """The order of the two is left to chance."""
    folder = declare(
        '[[step]]\nname = "make"\nrun = "echo 1 > made.csv"\noutputs = ["made.csv"]\n'
        '[[step]]\nname = "take"\nrun = "python take.py"\n'
    )
    (folder / "take.py").write_text("open('made.csv').read()")
    (folder / "made.csv").write_text("0")
    result = run(only=["take"])
    assert result.warnings == ["take: it read made.csv, which make makes: name it among the inputs"]


def test_a_wrong_timeout_is_refused_before_anything_runs(declare: Any, run: Run) -> None:
    """With the step's name."""
    from penstock.errors import DeclarationError

    declare('[[step]]\nname = "a"\nrun = "true"\ntimeout = "soon"\n')
    with pytest.raises(DeclarationError, match="the timeout of step 'a'"):
        run()


def test_an_output_that_only_the_command_names_is_an_input(declare: Any, run: Run, edit: Any) -> None:
    """Also one that looks like a file of the user's own."""
    folder = declare(
        '[[step]]\nname = "make"\nrun = "echo {value} > made.json"\noutputs = ["made.json"]\nparams = { value = 1 }\n'
        '[[step]]\nname = "take"\nrun = "cp made.json out.txt"\noutputs = ["out.txt"]\n'
    )
    run()
    edit("value = 1", "value = 2")
    result = run()
    assert why(result, "take") == "its input made.json was changed"
    assert (folder / "out.txt").read_text() == "2\n"
