"""`penstock.toml` as typed data. The whole file is checked before anything runs; unknown keys are refused.

Every section has defaults: a file with ``[data] source`` and ``target`` alone is complete.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Literal, get_origin

import msgspec

from penstock.bundle.kinds import Kind, Task
from penstock.errors import DeclarationError
from penstock.project.quality import LIMITS

Share = float


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One table of the file. Fields are its keys."""


class ProjectSection(Section, frozen=True):
    name: str = ""  # default: the folder's name
    question: str = ""


class DataSection(Section, frozen=True):
    source: str = ""  # "" where the folder only keeps runs of scripts
    target: str = ""
    task: Task | None = None  # default: inferred from the target
    positive: str | int | float | bool | None = None  # the class that "positive" means; default: the last one
    kinds: dict[str, Kind] = {}  # overrides of the inferred kinds
    drop: tuple[str, ...] = ()  # columns that are not kept at all
    missing: tuple[str, ...] | None = None  # markers; default: found in training rows
    key: str | None = None  # an identifier column that is echoed in answers and takes labels
    format: Literal["csv", "jsonl", "parquet"] | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"


class SplitSection(Section, frozen=True):
    valid: Share = 0.2
    test: Share = 0.2
    envelopes: int = 4
    by: str = "random"  # or "time:column", "group:column"
    seed: int = 0


class GoalSection(Section, frozen=True):
    metric: str | None = None  # default: the task's usual one
    at_least: float | None = None
    at_most: float | None = None
    human_level: float | None = None


class ScopeSection(Section, frozen=True):
    use: Literal["realtime", "batch"] = "realtime"
    target: Literal["server", "edge", "browser", "mobile"] = "server"
    cores: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None
    latency_ms: float | None = None
    requests_per_s: float | None = None


class RecipeSection(Section, frozen=True):
    file: str = "recipe.toml"


class SearchSection(Section, frozen=True):
    budget: str = "5m"
    strategy: str = "bayesian"
    learners: tuple[str, ...] | None = None  # default: all that suit
    seed: int = 0
    workers: int | None = None  # default: one per core


class EvaluationSection(Section, frozen=True):
    slices: tuple[str | tuple[str, ...], ...] = ()
    protected: tuple[str, ...] = ()


class GateSection(Section, frozen=True):
    metric: str = ""
    at_least: float | None = None
    at_most: float | None = None
    slice: str | None = None
    beats_baseline: bool = False
    reproducible: bool = False  # the run that made the model was done again, and gave the same
    id: str | None = None


class JournalSection(Section, frozen=True):
    keep_days: float = 90.0
    max_bytes: int = 10 * 2**30
    sample: float = 1.0


class ServingSection(Section, frozen=True):
    deadline_ms: float | None = None  # answers later than this are counted by `monitor`
    abstain_below: float | None = None
    abstain_when_novel: bool = False
    extra_fields: Literal["refuse", "ignore"] = "refuse"
    max_body_bytes: int = 10 * 2**20
    journal: JournalSection = JournalSection()


class MonitoringSection(Section, frozen=True):
    false_alarms: float = 0.01  # chance that a window without any shift raises an alarm, all checks together
    minimum_rows: int = 30


class QualitySection(Section, frozen=True):
    """Checks of the data itself: `penstock data quality`."""

    off: tuple[str, ...] = ()  # ids of checks that are not made
    limits: dict[str, float] = {}  # id of a check -> where it fails; default: see `penstock.project.quality`


class RetrainSection(Section, frozen=True):
    minimum_labels: int = 20
    budget: str | None = None  # default: [search] budget


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


class Declaration(Section, frozen=True):
    """The whole file."""

    data: DataSection = DataSection()
    project: ProjectSection = ProjectSection()
    split: SplitSection = SplitSection()
    goal: GoalSection = GoalSection()
    scope: ScopeSection = ScopeSection()
    recipe: RecipeSection = RecipeSection()
    search: SearchSection = SearchSection()
    evaluation: EvaluationSection = EvaluationSection()
    gates: tuple[GateSection, ...] = ()
    serving: ServingSection = ServingSection()
    monitoring: MonitoringSection = MonitoringSection()
    retrain: RetrainSection = RetrainSection()
    quality: QualitySection = QualitySection()
    run: RunSection = RunSection()
    scripts: dict[str, ScriptSection] = {}
    cost: CostSection = CostSection()
    step: tuple[StepSection, ...] = ()


def load_declaration(path: Path, *, needs_data: bool = True) -> Declaration:
    """Read and check `penstock.toml`. A folder that only keeps runs of scripts needs no `[data]`.

    Raises
    ------
    DeclarationError : the file is not TOML, has an unknown key (the nearest is named), or a value out of its bounds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"{path.name} is not UTF-8 text", why=str(error), way_out="save the file in UTF-8"
        ) from error
    return parse_declaration(text, name=path.name, needs_data=needs_data)


def parse_declaration(text: str, *, name: str = "penstock.toml", needs_data: bool = True) -> Declaration:
    """As `load_declaration`, from text.

    >>> parse_declaration('[data]\\nsource = "a.csv"\\ntarget = "y"\\n').split.envelopes
    4
    """
    import tomllib  # where there is no file, it is not needed

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(
            f"{name} is not valid TOML", why=str(error), way_out="correct the line it names"
        ) from error
    _refuse_unknown_keys(raw, Declaration, name, path="")
    try:
        declaration = msgspec.convert(raw, Declaration, strict=True)
    except msgspec.ValidationError as error:
        raise DeclarationError(
            f"{name}: {_where(str(error))}",
            why=_reason(str(error)),
            way_out="correct that line; see docs/declaration.md",
        ) from error
    if needs_data or "data" in raw:
        _check_data(declaration.data, name)
    _check_bounds(declaration, name)
    _check_quality(declaration.quality, name)
    return declaration


def _check_data(data: DataSection, name: str) -> None:
    for key in ("source", "target"):
        if not getattr(data, key):
            raise DeclarationError(
                f"{name}: a required setting is missing",
                why=f"[data] has no {key!r}",
                way_out="write it, or make a project with `penstock new DIR --data FILE --target COLUMN`",
            )


def _check_quality(quality: QualitySection, name: str) -> None:
    for where, check in [("quality.off", c) for c in quality.off] + [("quality.limits", c) for c in quality.limits]:
        if check not in LIMITS:
            near = difflib.get_close_matches(check, LIMITS, 1, 0.5)
            raise DeclarationError(
                f"{name}: {where} names no check: {check!r}",
                why=f"the checks of the data are {', '.join(LIMITS)}",
                way_out=f"write {near[0]!r}" if near else "remove it or use one of these",
            )
    for check, limit in quality.limits.items():
        if not 0 <= limit < float("inf"):
            raise DeclarationError(
                f"{name}: quality.limits.{check} is out of bounds",
                why=f"{limit} is not a number of at least 0",
                way_out=f"write for example {LIMITS[check]:g}, or turn the check off with [quality] off",
            )


def _refuse_unknown_keys(raw: dict[str, Any], struct: type[msgspec.Struct], name: str, path: str) -> None:
    fields = {f.name: f for f in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        where = f"{path}.{key}" if path else key
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1, 0.5)
            raise DeclarationError(
                f"{name}: there is no setting {where!r}",
                why=f"known {'in [' + path + ']' if path else 'sections'}: {', '.join(fields)}",
                way_out=f"write {near[0]!r}" if near else "remove it or use one of these",
            )
        inner = _section_of(fields[key].type)
        if inner is None:
            continue
        if get_origin(fields[key].type) is dict:  # its keys are names of the user's own
            named = list(value.items()) if isinstance(value, dict) else []
        else:
            named = [("", item) for item in (value if isinstance(value, list) else [value])]
        for own, item in named:
            if isinstance(item, dict):
                _refuse_unknown_keys(item, inner, name, f"{where}.{own}" if own else where)


def _section_of(annotation: Any) -> type[msgspec.Struct] | None:
    """The Section behind a field's type, also inside ``tuple[Section, ...]`` and ``dict[str, Section]``."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _where(message: str) -> str:
    found = re.search(r"at `\$\.?(.*)`", message)
    return f"[{found[1]}] has a wrong value" if found and found[1] else "a required setting is missing"


def _reason(message: str) -> str:
    return message.partition(" - at ")[0]


def _check_bounds(d: Declaration, name: str) -> None:
    def refuse(where: str, why: str, way_out: str) -> None:
        raise DeclarationError(f"{name}: {where} is out of bounds", why=why, way_out=way_out)

    for where, share in (("split.valid", d.split.valid), ("split.test", d.split.test)):
        if not 0 < share < 1:
            refuse(where, f"{share} is not a share between 0 and 1", "write for example 0.2")
    if d.split.valid + d.split.test >= 0.95:
        refuse(
            "split", f"valid + test = {d.split.valid + d.split.test:g} leaves too few training rows", "keep both at 0.2"
        )
    if d.split.envelopes < 1:
        refuse("split.envelopes", f"{d.split.envelopes} is not at least 1", "write 4")
    if d.split.by != "random" and not re.fullmatch(r"(time|group):.+", d.split.by):
        refuse("split.by", f"{d.split.by!r} is no way to split", "write 'random', 'time:COLUMN' or 'group:COLUMN'")
    if d.data.target in d.data.drop:
        refuse("data.drop", f"it names the target {d.data.target!r}", "remove it from the list")
    if not 0 < d.serving.journal.sample <= 1:
        refuse("serving.journal.sample", f"{d.serving.journal.sample} is not in (0, 1]", "write 1.0 to journal all")
    if d.serving.abstain_below is not None and not 0 <= d.serving.abstain_below < 1:
        refuse("serving.abstain_below", f"{d.serving.abstain_below} is not a probability", "write for example 0.6")
    if not 0 < d.monitoring.false_alarms < 0.5:
        refuse("monitoring.false_alarms", f"{d.monitoring.false_alarms} is not in (0, 0.5)", "write 0.01")
    for i, gate in enumerate(d.gates):
        if (gate.at_least is not None) + (gate.at_most is not None) + gate.beats_baseline + gate.reproducible != 1:
            refuse(
                f"gates[{i}]",
                "a gate has exactly one of at_least, at_most, beats_baseline and reproducible",
                "write for example at_least = 0.8",
            )
        if bool(gate.metric or gate.slice) == gate.reproducible:
            refuse(
                f"gates[{i}]",
                "every gate is about a metric, but for reproducible = true, which has neither metric nor slice",
                'write metric = "roc_auc", or reproducible = true alone',
            )
    positive = {
        "serving.max_body_bytes": d.serving.max_body_bytes,
        "serving.deadline_ms": d.serving.deadline_ms,
        "serving.journal.max_bytes": d.serving.journal.max_bytes,
        "monitoring.minimum_rows": d.monitoring.minimum_rows,
        "retrain.minimum_labels": d.retrain.minimum_labels,
        "search.workers": d.search.workers,
        **{
            f"scope.{name}": value
            for name, value in msgspec.structs.asdict(d.scope).items()
            if not isinstance(value, str)
        },
    }
    for where, number in positive.items():
        if number is not None and number <= 0:
            refuse(where, f"{number} is not above 0", "write a positive number, or remove the setting")
    if d.goal.at_least is not None and d.goal.at_most is not None:
        refuse("goal", "it has both at_least and at_most", "keep the one that fits the metric")


__all__ = ["Declaration", "GateSection", "load_declaration", "parse_declaration"]
