"""`[run]`, `[scripts]`, `[cost]`, `[[step]]`: runs of scripts, and pipelines of the user's own."""

from __future__ import annotations

from typing import Literal

from penstock.project.sections.section import Section


class SourceSection(Section, frozen=True):
    """What of the folder is copied with each run of a script."""

    include: tuple[str, ...] = ()  # globs of files that are taken although they look like data
    exclude: tuple[str, ...] = ()  # globs of files that are never taken
    max_file_bytes: int = 2**20
    max_bytes: int = 100 * 2**20


class RunSection(Section, frozen=True):
    """Runs of scripts, modules, notebooks and commands."""

    python: str | None = None  # interpreter of scripts; default: the one that runs Penstock
    inputs: tuple[str, ...] = ()  # globs of files that a run depends on, beside those that it is seen to read
    outputs: tuple[str, ...] = ()  # globs of files that are kept where a run has written them
    metrics: tuple[str, ...] = ()  # patterns of metrics in printed lines; default: "key: value"
    variables: tuple[str, ...] = ()  # environment variables that are recorded beside the usual ones; * at the end
    secrets: tuple[str, ...] = ()  # names of flags and variables that are secret although they do not look it
    timeout: str | None = None  # "90s", "10m", "2h"
    console_bytes: int = 100 * 2**20  # of printed output, per run; the middle of more is left out
    printed_lines: int = 200_000  # with metrics, per run, that are all in its log; of more ever fewer are
    keep_inputs_bytes: int = 100 * 2**20  # files that were read are kept up to this size each; larger ones by digest
    mask_files: bool = True  # in text files that are kept, the values of secret flags and variables become ***
    source: SourceSection = SourceSection()


class FlagSection(Section, frozen=True):
    """One flag of a script, where it is found wrongly or not at all."""

    default: str | int | float | bool | None = None
    type: Literal["int", "float", "bool", "str"] | None = None
    choices: tuple[str | int | float, ...] | None = None
    help: str | None = None
    option: str | None = None  # how it is passed, such as "--learning-rate"; default: as found, or --NAME
    secret: bool = False


class ScriptSection(Section, frozen=True):
    """What holds for one script only; its key is the script's path, a module's name or a program's."""

    detect: bool = True  # find flags in the file
    flags: dict[str, FlagSection] = {}
    outputs: tuple[str, ...] | None = None  # each of these replaces that of [run]
    metrics: tuple[str, ...] | None = None
    timeout: str | None = None


class CostSection(Section, frozen=True):
    per_hour: float | None = None  # money for an hour of this machine
    currency: str = ""


class StepSection(Section, frozen=True):
    """One step of the user's own pipeline."""

    name: str
    run: str  # a command line, as it is typed in a shell
    inputs: tuple[str, ...] = ()  # files, folders and globs; those that another step makes are its edges
    outputs: tuple[str, ...] = ()  # files and folders that it makes
    params: dict[str, str | int | float | bool] = {}  # passed as --name value, unless `run` holds {name}
    timeout: str | None = None
