"""What can go wrong: killed processes, many writers, full disks, damaged files, newer releases."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from penstock.errors import DamagedStore, DeclarationError, NotFound, ProjectError, StoreError, StoreFull
from penstock.ledger.ledger import Ledger
from penstock.objects.store import open_store

WHERE = """
    import os, sys
    from pathlib import Path
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import open_store
    folder = Path(sys.argv[2])
    ledger = Ledger.open(sys.argv[1], open_store(folder / "objects"), state=folder)
"""


def python(code: str, place, *arguments: str) -> list[str]:  # type: ignore[no-untyped-def]
    """The command of another process that has the same ledger open."""
    return [sys.executable, "-c", textwrap.dedent(WHERE) + textwrap.dedent(code), place.url, place.folder, *arguments]


def test_killing_a_process_loses_nothing_that_was_acknowledged(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """After `kill -9` every artifact, metric, log line, trial and event that was told of is there, and the run is
    interrupted, not running."""
    code = """
        with ledger.run("search") as run:
            print(run.id, flush=True)
            for number in range(10**6):
                digest = run.keep(f"model-{number}", os.urandom(1000))
                run.metric(f"score-{number}", number)
                run.log(step=number)
                ledger.trials.add(run.id, number, "dummy", {}, "done", 0.5)
                event = ledger.audit.append("seal", str(number))
                print(number, digest, event.hash, flush=True)
    """
    process = subprocess.Popen(python(code, sqlite_place), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    told = [process.stdout.readline() for _ in range(15)]
    running = sqlite_place.open().get(run_id).status
    process.send_signal(signal.SIGKILL)
    told += [line for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()

    ledger = sqlite_place.open()
    record = ledger.get(run_id)
    assert (running, record.status) == ("running", "interrupted")
    assert ledger.runs(status="running") == []
    assert [r.id for r in ledger.runs(status="interrupted")] == [run_id]
    assert ledger.find("search", record.key) is None
    assert ledger.intact(record)
    steps = {line["step"] for line in ledger.log_of(record)}
    trials = {trial.number for trial in ledger.trials.of(run_id)}
    for line in told:
        number, digest, head = line.split()
        assert record.artifacts[f"model-{number}"]["digest"] == digest
        assert record.metrics[f"score-{number}"]["value"] == int(number)
        assert int(number) in steps & trials
        ledger.audit.verify(head=head)


@pytest.mark.parametrize("where", ["sqlite_place", "postgres_place"])
def test_eight_processes_write_at_once(where: str, request: pytest.FixtureRequest) -> None:
    """From the making of the ledger on, none fails, none loses a write, and the chain and the numbers stay whole."""
    place = request.getfixturevalue(where)
    code = """
        for number in range(3):
            with ledger.run("work", params={"number": number}) as run:
                run.log(step=number)
                run.keep("model", os.urandom(100))
                run.metric("score", number)
            ledger.registry.register("bank", run.id, "sha256:b", passed=True, dataset="sha256:d")
            ledger.audit.append("register", run.id)
        print(ledger.secret("key").hex())
    """
    processes = [subprocess.Popen(python(code, place), stdout=subprocess.PIPE, text=True) for _ in range(8)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert len(set(told)) == 1
    ledger = place.open()
    assert [record.status for record in ledger.runs("work")] == ["done"] * 24
    assert [version.version for version in ledger.registry.versions("bank")] == list(range(1, 25))
    assert len(ledger.audit.events()) == 24
    ledger.audit.verify()
    ledger.close()


def test_of_processes_that_open_an_envelope_at_once_one_succeeds(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """The others are told who was first."""
    sqlite_place.open().seal.add("sha256:d", 0, 200, "sha256:o", "key")
    code = """
        from penstock.errors import SealError
        sys.stdin.readline()
        try:
            ledger.seal.open("sha256:d", 0, by_run=sys.argv[3], purpose="race")
            print("opened")
        except SealError as error:
            print(error.why)
    """
    processes = [
        subprocess.Popen(
            python(code, sqlite_place, f"run-{n}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    told = [process.communicate("go\n", timeout=60)[0].strip() for process in processes]
    assert told.count("opened") == 1
    winner = f"run-{told.index('opened')}"
    assert all(f"in run {winner} (race)" in line for line in told if line != "opened")


def test_the_lock_of_a_killed_process_is_taken_over(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Nobody has to clean up by hand."""
    code = """
        with ledger.lock("run"):
            print("held", flush=True)
            sys.stdin.readline()
    """
    process = subprocess.Popen(python(code, sqlite_place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Exception, match=rf"(?s)`penstock run` is already at work.*process {process.pid} on"):
        sqlite_place.open().lock("run").__enter__()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    with sqlite_place.open().lock("run"):
        pass


def test_a_lock_of_another_machine_can_be_freed_by_force(sqlite_ledger: Ledger) -> None:
    """Whether that process lives cannot be seen from here, so it is never taken over silently; the message says how."""
    with pytest.raises(ProjectError, match="no lock 'run'"):
        sqlite_ledger.locks.free("run")
    with sqlite_ledger.lock("run"):
        with pytest.raises(ProjectError, match="is alive"):
            sqlite_ledger.locks.free("run")
        with sqlite_ledger._database.write() as connection:
            connection.execute('UPDATE locks SET process = replace(process, \'"host":"\', \'"host":"far-\')')
        with pytest.raises(ProjectError, match="on far-") as refused:
            sqlite_ledger.lock("run").__enter__()
        assert "penstock doctor --free-lock 'run'" in refused.value.way_out
        assert sqlite_ledger.locks.free("run").host.startswith("far-")
        with sqlite_ledger.lock("run"):
            pass


def test_a_forked_child_may_go_on_with_the_ledger(sqlite_ledger: Ledger) -> None:
    """It opens connections of its own, and the parent's stay usable."""

    def work() -> None:
        with sqlite_ledger.run("child"):
            pass

    with sqlite_ledger.run("parent"):
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join(60)
        assert child.exitcode == 0
    assert {record.operation: record.status for record in sqlite_ledger.runs()} == {"child": "done", "parent": "done"}


def test_a_full_database_is_told_and_left_as_it_was(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """The transaction that found no space leaves nothing behind, and the ledger goes on when there is space."""
    ledger = sqlite_place.open()
    ledger.trials.add("s", 0, "dummy", {}, "done", 0.5)

    def room_for(pages: int | None) -> None:
        with ledger._database.read() as connection:
            now = connection.value("PRAGMA page_count")
            connection.execute(f"PRAGMA max_page_count={2**30 if pages is None else now + pages}")

    room_for(1)  # the one connection that is kept, and so the next to be used
    with pytest.raises(StoreFull, match="free some space"):
        ledger.trials.add("s", 1, "dummy", {"x": "y" * 100_000}, "done", 0.5)
    room_for(None)
    ledger.trials.add("s", 2, "dummy", {"x": "y" * 100_000}, "done", 0.5)
    assert [trial.number for trial in ledger.trials.of("s")] == [0, 2]
    ledger.close()


def test_a_full_disk_stops_a_run_with_the_way_out(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """On a real file system of two megabytes: the error is StoreFull, what was acknowledged stays, and once there is
    space the same ledger goes on."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs `unshare`, to mount a small file system that nobody else sees")
    code = """
        from penstock.errors import StoreFull
        kept = []
        try:
            with ledger.run("search") as run:
                while True:
                    kept.append(run.keep("model", os.urandom(100_000)))
                    run.log(step=len(kept))
        except StoreFull as error:
            print(error)
        ledger.objects.delete(kept.pop())
        there = list(ledger.objects.digests())
        assert set(kept) <= set(there)
        assert all(ledger.objects.get(digest) for digest in there)
        assert ledger.objects.sweep(older_than_s=0) == (0, 0)
        ledger.close()
        ledger = Ledger.open(sys.argv[1], open_store(folder / "objects"), state=folder)
        with ledger.run("again") as run:
            run.keep("model", b"x" * 50_000)
        print(ledger.get(run.id).status)
    """
    sqlite_place.folder.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size=2m none {sqlite_place.folder} || exit 99; exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh", *python(code, sqlite_place)],
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "no space left" in done.stdout
    assert done.stdout.endswith("done\n")


LOOK = """
    from penstock.errors import StoreError
    run = ledger.runs()[0]
    print(run.operation, ledger.get(run.id).metrics["loss"]["value"], [line["loss"] for line in ledger.log_of(run)])
    try:
        ledger.note(run.id, "seen")
    except StoreError as error:
        print("refused")
"""
MOUNTS = {
    "for reading only": 'mount --bind "$F" "$F" && mount -o remount,ro,bind "$F" || exit 99; exec "$@"',
    "full": 'cp -r "$F" "$F.kept"; mount -t tmpfs -o size=2m none "$F" || exit 99; cp -r "$F.kept/." "$F"; '
    'dd if=/dev/zero of="$F/fill" bs=1k 2>/dev/null; exec "$@"',
}


def mounted(how: str, place, command: list[str]) -> str:  # type: ignore[no-untyped-def]
    """What a command says where the ledger's folder is mounted so."""
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNTS[how], "sh", *command],
        capture_output=True,
        text=True,
        env={**os.environ, "F": str(place.folder)},
    )
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip(f"a folder cannot be mounted here: {done.stderr.strip()}")
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", MOUNTS)
def test_what_happened_can_be_looked_at_where_nothing_can_be_written(how: str, sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Neither a folder for reading only nor a full disk hides the runs."""
    with sqlite_place.open() as ledger, ledger.run("train.py") as run:
        run.log(step=1, loss=0.5)
        run.metric("loss", 0.5)
    before = Path(sqlite_place.folder / "ledger.db").read_bytes()
    assert mounted(how, sqlite_place, python(LOOK, sqlite_place)) == "train.py 0.5 [0.5]\nrefused\n"
    assert Path(sqlite_place.folder / "ledger.db").read_bytes() == before


def test_what_a_killed_process_left_is_not_passed_over(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Where SQLite's log cannot be read, the ledger is refused rather than shown without its last runs."""
    code = """
        with ledger.run("train.py"):
            pass
        os._exit(9)
    """
    subprocess.run(python(code, sqlite_place), check=False)
    assert (sqlite_place.folder / "ledger.db-wal").stat().st_size > 0
    (sqlite_place.folder / "ledger.db-shm").unlink()
    said = mounted("for reading only", sqlite_place, python("print(len(ledger.runs()))", sqlite_place))
    assert "what a killed process wrote last" in said
    assert len(sqlite_place.open().runs()) == 1


def test_an_old_ledger_that_cannot_be_written_says_so(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """It has to be brought up to date first."""
    from penstock.ledger.database import Database
    from penstock.ledger.migrations import MIGRATIONS, migrate

    sqlite_place.folder.mkdir(parents=True)
    database = Database(sqlite_place.url)
    migrate(database, MIGRATIONS[:2])
    database.close()
    said = mounted("for reading only", sqlite_place, python("", sqlite_place))
    assert "is of an earlier Penstock and has to be brought up to date first" in said


def test_only_what_resembles_an_id_is_proposed(sqlite_ledger: Ledger) -> None:
    """A slip in one letter is; a word is not."""
    with pytest.raises(NotFound, match="no run has been recorded yet"):
        sqlite_ledger.get("foo")
    with sqlite_ledger.run("train.py") as run:
        pass
    slip = run.id[:-2] + ("xy" if run.id[-2:] != "xy" else "yx")
    with pytest.raises(NotFound, match=f"the nearest is {run.id}"):
        sqlite_ledger.get(slip)
    for word in ("foo", "a", "loss", run.id[:15] + "-zzzzzz", "2031"):
        with pytest.raises(NotFound) as caught:
            sqlite_ledger.get(word)
        assert run.id not in str(caught.value)
        assert "penstock runs" in str(caught.value)


def test_a_full_disk_cuts_no_line_of_a_log(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """A line for which only a part finds space is taken back."""
    code = """
        import resource, signal
        from penstock.errors import StoreFull
        from penstock.ledger.log import LogFile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        log = LogFile(folder / "metrics.jsonl")
        try:
            for step in range(100):
                log.append({"step": step, "text": "x" * 30})
        except StoreFull:
            print(step)
    """
    done = subprocess.run(python(code, sqlite_place), capture_output=True, text=True, check=True)
    data = (sqlite_place.folder / "metrics.jsonl").read_bytes()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == int(done.stdout)


def test_a_file_that_is_no_ledger_is_told(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Damage has its own error, with the way out."""
    sqlite_place.folder.mkdir(parents=True)
    (sqlite_place.folder / "ledger.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(DamagedStore, match=r"(?s)ledger\.db is damaged.*restore"):
        sqlite_place.open()


def test_an_overwritten_page_is_told(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Also where the file still looks like a database."""
    ledger = sqlite_place.open()
    for number in range(300):
        ledger.audit.append("label", str(number))
    with ledger._database.read() as connection:
        page = connection.value("SELECT rootpage FROM sqlite_master WHERE name = 'events'")
        size = connection.value("PRAGMA page_size")
    ledger.close()
    with open(sqlite_place.folder / "ledger.db", "r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    with pytest.raises(DamagedStore, match="is damaged"):
        sqlite_place.open().audit.verify()


def test_a_place_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    """What goes into a terminal or a log must not open the database."""
    objects = open_store(tmp_path)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Ledger.open("postgresql://ada:hunter2@127.0.0.1:1/bank", objects, state=tmp_path)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(DeclarationError, match="neither sqlite nor postgresql") as refused:
        Ledger.open("mysql://ada:hunter2@127.0.0.1/bank", objects, state=tmp_path)
    assert "hunter2" not in str(refused.value)


def test_what_cannot_be_a_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger in memory, a server without a local folder."""
    objects = open_store(tmp_path)
    with pytest.raises(DeclarationError, match="would be forgotten"):
        Ledger.open("sqlite://", objects)
    with pytest.raises(DeclarationError, match="needs a local folder"):
        Ledger.open("postgresql://ada@127.0.0.1:1/bank", objects)


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """As an error of the store, not as a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Ledger.open(tmp_path / "file" / "ledger.db", open_store(tmp_path))


def test_the_common_path_loads_nothing_heavy(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Opening a ledger and finding what is known imports no object store client, no table and no model library."""
    code = """
        ledger.find("run", "sha256:none")
        heavy = {"obstore", "numpy", "duckdb", "pyarrow", "sklearn", "onnx", "onnxruntime", "jinja2", "typer", "psycopg",
            "sqlalchemy", "importlib.metadata", "asyncio", "subprocess", "platform", "difflib", "getpass"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(python(code, sqlite_place), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recording_a_run_loads_what_it_needs_only(sqlite_place) -> None:  # type: ignore[no-untyped-def]
    """Starting a script may cost 0.15 s in all: reading, describing a process and asking Git are loaded when used."""
    code = """
        with ledger.run("train.py", environment={}, source={}) as run:
            run.log(step=1)
            run.record(params={"lr": 0.1}, metrics={"loss": 0.5})
        late = {"dataclasses", "inspect", "subprocess", "platform", "difflib", "penstock.ledger.reading",
            "penstock.ledger.registry", "penstock.ledger.lineage", "penstock.parts"}
        print(sorted(late & set(sys.modules)))
    """
    done = subprocess.run(python(code, sqlite_place), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
