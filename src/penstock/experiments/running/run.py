"""Run a script, module, notebook or command as it is, and record all of it: `run_target`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.errors import ScriptFailed
from penstock.experiments.running.interrupts import Interrupts
from penstock.experiments.running.options import RunOptions, ScriptRun
from penstock.experiments.running.process import Ended, Process
from penstock.experiments.running.surroundings import OUTPUT, Before, Surroundings

if TYPE_CHECKING:
    from penstock.experiments.capture.seals import Seals
    from penstock.experiments.capture.target import Target
    from penstock.experiments.flags.flag_set import FlagSet
    from penstock.experiments.running.collect import Collected
    from penstock.experiments.running.watching import Watching
    from penstock.ledger.run import Run
    from penstock.project.workspace import Workspace


def run_target(
    workspace: Workspace,
    target: Target,
    flags: FlagSet,
    values: Mapping[str, Any],
    *,
    options: RunOptions | None = None,
    cwd: Path,
) -> ScriptRun:
    """Run a program and record it: what it was, what it printed, measured, read and wrote, and how it ended.

    A program that fails, or is stopped or interrupted, gives a `ScriptRun` that says so.

    Parameters
    ----------
    flags, values : the flags of the target, and the values of all of them.
    cwd : the folder in which it runs.

    Raises
    ------
    ScriptError : it cannot be started; the run is recorded as failed. FlagError : a value cannot be passed.
    StoreError : the ledger or the object store cannot be written; what was logged so far stays in the folder of the run.
    """
    options = options or RunOptions()
    around = Surroundings.of(workspace, target, flags, values, options, cwd)
    with Process(interactive=options.interactive) as process:
        return _Running(around, process).through()


@final
class _Running:
    """One run from its record in the ledger to its end."""

    def __init__(self, around: Surroundings, process: Process) -> None:
        self.around, self.process = around, process
        self.options, self.ledger = around.options, around.workspace.ledger

    def through(self) -> ScriptRun:
        around, options = self.around, self.options
        before = around.look_before()
        error: BaseException | None = None
        try:
            with self.ledger.run(
                around.target.name,
                params=around.recorded_params(),
                inputs={"target": around.recorded_target(), **before.inputs, **options.inputs},
                project=around.workspace.name,
                parent=options.parent,
                environment={},
                source=before.git.source,
                tags=options.tags,
                takes=options.takes,
            ) as run:
                if options.on_begin is not None:
                    options.on_begin(run.id)
                if options.note:
                    self.ledger.note(run.id, options.note)
                result, error = self._inside(run, before)
                if error is not None:
                    raise error
        except (ScriptFailed, KeyboardInterrupt) as raised:
            if raised is not error:
                raise
        from penstock.experiments.running.collect import tidy
        from penstock.experiments.running.recover import recover

        tidy(run.folder, files=result.files, tell=options.on_files)
        recover(around.workspace)
        return result

    def _inside(self, run: Run, before: Before) -> tuple[ScriptRun, BaseException | None]:
        """Start the program, look at it until it has ended, record what came of it; the result, and the error to record."""
        around = self.around
        started, memory_kills = time.monotonic(), kills_for_memory()
        (run.folder / OUTPUT).mkdir(parents=True, exist_ok=True)
        seals = self._seals()
        with Interrupts(self.process) as interrupts:
            self.process.start(
                around.command.argv, env=around.variables(run, started), cwd=around.cwd, timeout_s=around.timeout_s
            )
            # What is not needed to start is loaded and found out only now: the program does not wait for it.
            from penstock.experiments.running.watching import Watching

            watching = Watching(around, run, self.process, seals, started)
            around.record_start(run, before)
            import penstock.experiments.running.recover  # noqa: F401 - for the end: loaded while the program runs

            ended = watching.until_the_end()
        observer = watching.observer
        out_of_memory = ended.signal == 9 and kills_for_memory() > memory_kills
        status, reason, error = self._judged(run, ended, interrupts.asked, watching, out_of_memory)
        environment, packages = around.really(observer.opened.interpreter)
        collected = self._collected(run, before, watching)
        run.note_cost(
            wall_s=round(ended.seconds, 6),
            cpu_s=None if ended.cpu_s is None else round(ended.cpu_s, 6),
            peak_memory_bytes=ended.peak_memory_bytes,
            **around.money(ended.seconds),
        )
        run.record(
            inputs=collected.inputs,
            outputs={"exit_status": ended.status, **collected.outputs},
            metrics=observer.series.last(),
            artifacts={**collected.artifacts, **packages},
            environment=environment,
        )
        if status == "stopped":
            run.stop(reason)
        result = ScriptRun(
            id=run.id,
            operation=around.target.name,
            status=status,
            exit_status=ended.status,
            metrics=observer.series.last(),
            seconds=round(ended.seconds, 3),
            files=collected.files,
            unsealed=tuple(map(around.masker.mask, observer.unsealed)),
            reason=reason,
            warnings=(*self._warnings(ended, before), *observer.warnings, *collected.warnings),
        )
        return result, error

    def _seals(self) -> Seals | None:
        """Watched from before the start."""
        if not self.options.watch:
            return None
        from penstock.experiments.capture.seals import Seals

        return Seals(self.options.watch)

    def _collected(self, run: Run, before: Before, watching: Watching) -> Collected:
        from penstock.experiments.running.collect import Leftovers, collect

        around, observer, console = self.around, watching.observer, watching.console
        found = collect(
            Leftovers(
                around.workspace,
                run.folder,
                observer.series,
                observer.opened,
                source=before.inputs["source"],
                masker=around.masker,
                printed_bytes=None if console.full else console.size_bytes,
                declared=before.declared.written(),
                inputs=around.inputs,
                stamps=before.stamps,
                unsealed=observer.unsealed,
                sealed=self.options.watch,
                on_files=self.options.on_files,
            )
        )
        if observer.thinning.left_out:
            found.outputs["log_lines_left_out"] = observer.thinning.left_out
        if console.full:
            found.warnings.append(f"what it printed is not kept in full: {console.full}")
        return found

    def _judged(
        self, run: Run, ended: Ended, asked: str, watching: Watching, out_of_memory: bool
    ) -> tuple[str, str, BaseException | None]:
        """Status, reason, and the error that is recorded."""
        if ended.signal == 2 or (asked and (ended.why or ended.status)) or (watching.cancelled and ended.why):
            return "interrupted", "it was told to end" if asked == "terminate" else "Ctrl-C", KeyboardInterrupt()
        if watching.observer.stop_reason and ended.why in ("stop", "kill"):
            return "stopped", watching.observer.stop_reason, None
        if ended.status == 0:
            return "done", "", None
        from penstock.experiments.running.ending import why_failed

        error = why_failed(
            self.around.target.name,
            run.id,
            ended,
            watching.last_printed,
            timeout_s=self.around.timeout_s,
            out_of_memory=out_of_memory,
            has_input=self.process.has_input,
        )
        return "failed", f"{error.what}: {error.why}", error

    def _warnings(self, ended: Ended, before: Before) -> list[str]:
        found = []
        if self.process.stdin is not None and self.process.stdin.came_late():
            found.append(
                "what came on standard input after the start was not given to the program: put it into a file first, and use `< file`"
            )
        if before.git.not_told:
            found.append(f"not all of the Git repository's state is recorded: {before.git.not_told}")
        if ended.left:
            those = "a process that it had" if ended.left == 1 else f"{ended.left} processes that it had"
            found.append(f"{those} left running {'was' if ended.left == 1 else 'were'} ended with it")
        return found


def kills_for_memory() -> int:
    """How many processes of this machine the kernel has killed as memory ran out; 0 where it does not tell."""
    try:
        with open("/proc/vmstat", "rb") as file:
            found = file.read().partition(b"\noom_kill ")[2].split(maxsplit=1)
    except OSError:
        return 0
    return int(found[0]) if found else 0
