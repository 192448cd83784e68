"""Stage `contract`: a source is held against the contract before anything of it is stored or sealed.

The contract is inferred from the training rows of the first version and lies beside the recipe; from then on it is the user's.
Where rows break it, the run stops, or goes on by an override that is shown in every later report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ContractBroken, ContractError
from penstock.lifecycle.readings import readings
from penstock.lifecycle.source import TABLES, open_declared
from penstock.lifecycle.stages import CODE, Context, Stages
from penstock.objects.digests import digest_of, digest_of_json
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.bundle.decoder import Decoder
    from penstock.data.contract.check import Checked
    from penstock.data.contract.contract import Contract
    from penstock.data.contract.personal import Personal
    from penstock.data.contract.unsealed import MayShow
    from penstock.data.source import Source
    from penstock.feedback.rows import LabelledRows
    from penstock.ledger.run import Run
    from penstock.lifecycle.source import Opened

GATE = "contract"
SHOWN = 20  # breaches of one message
COUNTS = Path("cache") / "contract.counts"
"""What was counted of the files of a folder; where it is gone, all files are read."""


def read_contract(project: Project) -> str | None:
    """The text of the contract; None where there is none.

    Raises
    ------
    ContractError : it is not UTF-8, or a folder.
    """
    path = project.contract_file
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise ContractError(f"{path.name} is a folder", why="a contract is a file", way_out="name the file") from error
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{path.name} is not UTF-8 text", why=str(error), way_out="save the file in UTF-8"
        ) from error


def parsed(project: Project, text: str) -> Contract:
    """The contract of a text; errors name the declared file."""
    from penstock.data.contract.parse import parse_contract

    return parse_contract(text, name=project.declaration.contract.file)


def file_as_declared(project: Project, path: Path, **written: Any) -> Source:
    """A file, read and joined as the declared source is, but for what is said of it alone (keywords of `ReadOptions`)."""
    from penstock.data.sources.file import FileSource
    from penstock.lifecycle.ingest import declared_ingest
    from penstock.lifecycle.source import with_joins
    from penstock.objects.tabular import ReadOptions

    declared = declared_ingest(project)
    options = dict(declared["options"])
    options["format"] = options["format"] if options["format"] in TABLES else None
    file = FileSource(path, ReadOptions.from_json({**options, **written}))
    return with_joins(Context(project), declared, file) if "joins" in declared else file


def may_show(context: Context, project: Project) -> MayShow:
    """Which rows of a file may be shown: none before the data set is dealt, or where it will be dealt anew."""
    from penstock.data.contract.unsealed import Unsealed, nothing
    from penstock.data.split import SplitSettings
    from penstock.data.versions import load_version
    from penstock.lifecycle.ingest import declared_ingest

    head = context.ledger.datasets.head(project.name)
    if head is None:
        return nothing
    declared = declared_ingest(project)
    version = load_version(context.objects, head).keyed(context.ledger)
    settings = SplitSettings(**declared["split"])
    return Unsealed.of(context.ledger, context.objects, version, declared["target"], settings, declared.get("key"))


def personal_of(project: Project, privacy: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What of a file is personal, as `Checker` asks for it: `personal`, and `without` the columns of which nothing is kept.

    Values are judged as the newest version keeps them. A column that will be kept in another way from the next ingest on is
    looked for, and not judged.

    Parameters
    ----------
    privacy : what was declared when a stage was made; by default what is declared now.
    """
    from penstock.data.contract.personal import Personal
    from penstock.data.versions import load_version
    from penstock.lifecycle.ingest import declared_privacy

    said = {**declared_privacy(project), "actions": project.declaration.privacy.actions} if privacy is None else privacy
    if not any(said.values()):
        return {}
    actions: dict[str, str] = said["actions"]
    head = project.ledger.datasets.head(project.name)
    decoder = None if head is None else load_version(project.objects, head).keyed(project.ledger).decoder
    kept_as = {} if decoder is None else {c.name: c.privacy.action for c in decoder.columns if c.privacy is not None}
    unlike = {name for name in actions.keys() | kept_as.keys() if not _alike(actions.get(name), kept_as.get(name))}
    return {
        "personal": Personal(
            None if decoder is None else decoder.protector,
            frozenset((*actions, *said["kept"], *kept_as)),
            frozenset(unlike),
            tuple(said["off"]),
            "" if decoder is None else _kept_as(decoder),
        ),
        "without": frozenset(name for name, action in actions.items() if action.partition(":")[0].strip() == "drop"),
    }


def _kept_as(decoder: Decoder) -> str:
    return digest_of_json(
        {"key": decoder.key_check, "columns": [spec.to_json() for spec in decoder.columns if spec.privacy is not None]}
    )


def _alike(declared: str | None, kept_as: str | None) -> bool:
    from penstock.bundle.privacy.actions import parse_action

    if declared is None or kept_as is None:
        return declared is kept_as
    return parse_action(declared).text == parse_action(kept_as).text


# ---- the stage


def check(
    context: Context,
    run: Run,
    inputs: dict[str, Any],
    params: dict[str, Any],
    *,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Hold the source against the contract, and write down what broke. `told` hears what is about this machine, and no part of the record."""
    from penstock.data.contract.check import check_source
    from penstock.data.contract.counted import check_grown
    from penstock.data.contract.reading import Reading

    text = context.objects.get(inputs["contract"]).decode()
    run.keep("contract", text.encode(), media="application/toml")
    if context.replay is not None and context.replay.outputs.get("inferred"):
        return inferred(context, run, inputs, params)
    project = context.project
    now = datetime.fromisoformat(params["as_of"]) if params["as_of"] else datetime.now(UTC)
    opened = open_declared(context, params, inputs=inputs)
    opened.refuse_other(inputs, replayed=context.replay is not None)
    how = personal_of(project, params.get("privacy", {}))
    unfetched = frozenset(params.get("reading", {}).get("drop", ()))
    how["without"] = how.get("without", frozenset()) | unfetched
    how["readings"] = {name: Reading.from_json(one) for name, one in params.get("readings", {}).items()}
    how |= {"now": now, "key": context.ledger.secret("fingerprints")}
    held = (parsed(project, text), opened.whole, may_show(context, project))
    if context.replay is not None:  # what is done again owes nothing to what was kept
        found = check_source(*held, **how)
    else:
        of = _counted_of(inputs, params, opened.whole, how)
        found = check_grown(*held, project.state / COUNTS, of, told=told, **how)
    run.output("inferred", False)
    run.output("rows", found.rows)
    run.output("passed", found.passed)
    run.output("broken", [[breach.id, breach.about, breach.rows] for breach in found.breaches])
    run.output("breaches", [breach.to_json() for breach in found.breaches])
    run.output("told", lines_of(found.breaches))
    return None


def _counted_of(inputs: Mapping[str, Any], params: Mapping[str, Any], source: Source, how: Mapping[str, Any]) -> str:
    """Digest of all that counts of rows depend on beside the rows; the clock is asked when all are counted."""
    personal: Personal | None = how.get("personal")
    return digest_of_json(
        {
            "kind": "counts",
            "code": CODE["contract"],
            "contract": inputs["contract"],
            "params": {name: value for name, value in params.items() if name != "as_of"},
            "options": source.options,
            "without": sorted(how["without"]),
            "personal": None if personal is None else personal.identity,
        }
    )


def inferred(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """The contract was made of this very source: there is nothing to hold against it."""
    run.keep("contract", context.objects.get(inputs["contract"]), media="application/toml")
    run.output("inferred", True)
    run.output("passed", True)
    run.output("broken", [])


def lines_of(breaches: tuple[Any, ...]) -> list[str]:
    """What broke, for a person."""
    lines = [line for breach in breaches[:SHOWN] for line in breach.to_text()]
    return [*lines, f"  and {len(breaches) - SHOWN} more; --json lists all"] if len(breaches) > SHOWN else lines


def check_source_of(stages: Stages, opened: Opened, declared: Mapping[str, Any], override: str | None) -> None:
    """Before the source is read: stop where it breaks the contract, unless a reason is given.

    Raises
    ------
    ContractBroken : what broke, with the edits that accept it. ContractError : the contract itself is wrong.
    """
    project = stages.context.project
    text = None if project.declaration.contract.check == "off" else read_contract(project)
    if text is None:
        return
    inputs, params = _identity(stages.context, opened.inputs, text, declared)
    unlike = readings(project, parsed(project, text), declared, opened.whole.options)
    if unlike:
        params["readings"] = {name: one.to_json() for name, one in sorted(unlike.items())}
    if not stages.dry and not stages.context.objects.has(inputs["contract"]):
        parsed(project, text)  # nothing is kept of a text that is wrong
        stages.context.objects.put(text.encode())
    stages.warnings += _other_zones(project, text, declared)
    record = stages.do("contract", partial(check, told=stages.warnings.append), inputs, params)
    if not record.outputs["passed"]:
        _decide(stages, record.outputs, project.declaration.data.source, override)


def _other_zones(project: Project, text: str, declared: Mapping[str, Any]) -> list[str]:
    """Columns that the contract reads in another time zone than `[data]` says: its bounds are some hours off."""
    from penstock.data.writing import Writing

    zones, rules = Writing.from_json(declared.get("writing", {})).timezones, parsed(project, text).columns
    return [
        f"{project.declaration.contract.file} reads {name!r} with timezone = {rules[name].timezone!r}, [data] says {zone!r}: write the same in both"
        for name, zone in sorted(zones.items())
        if name in rules and rules[name].timezone != zone
    ]


def _decide(stages: Stages, outputs: Mapping[str, Any], what: str, override: str | None) -> None:
    project = stages.context.project
    broken = outputs["breaches"]
    why = f"{len(broken)} {'rule' if len(broken) == 1 else 'rules'} of {project.declaration.contract.file} broken by {what}"
    told = ", ".join(" ".join(filter(None, (b["id"], b["about"]))) for b in broken[:SHOWN])
    if project.declaration.contract.check == "warn":
        stages.warnings.append(f"{why}: {told}; `penstock data check {what}` says more")
        return
    if override is None:
        raise ContractBroken(
            f"{what} breaks {project.declaration.contract.file}\n" + "\n".join(outputs["told"]),
            why="nothing of it was stored, as a model would learn from rows that are not what was agreed",
            way_out="have the file put right; or accept what is as it should be: "
            "penstock data accept --reason WHY [--column NAME]; or go on this once: --override WHY",
            breaches=broken,
        )
    stages.refused = {"id": GATE, "passed": False, "value": None, "limit": None, "why": f"{why}: {told}"}


def _identity(
    context: Context, source: Mapping[str, Any], text: str, declared: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and parameters of the stage. The clock counts only where the contract looks at it, in steps of a 24th of what it allows: what was
    checked in this step is not checked again, and rows are judged by a time that is late by less than that."""
    within = parsed(context.project, text).freshness_s if "newest_within" in text else None
    as_of = None
    if within is not None:
        step = max(1.0, within / 24)
        as_of = datetime.fromtimestamp(time.time() // step * step, UTC).isoformat()
    inputs = {**source, "contract": digest_of(text.encode())}
    read = {
        key: declared[key] for key in ("path", "options", "reading", "joins", "files", "privacy") if key in declared
    }
    return inputs, {**read, "as_of": as_of}


# ---- the first contract


def infer_text(context: Context, dataset: str) -> str:
    """The text of a contract for a version, with the reason for each line, from training rows alone."""
    from penstock.bundle.kinds import Kind
    from penstock.data.contract.infer import infer_contract
    from penstock.data.doors import read_columns
    from penstock.data.versions import load_target, load_version

    version = load_version(context.objects, dataset)
    columns = read_columns(context.ledger, context.objects, version, "train")
    y = load_target(context.objects, version, "train")
    details = context.ledger.datasets.get(dataset).details
    hinted = {one["column"] for one in details.get("personal", ())}
    numbers = {spec.name for spec in version.decoder.columns if spec.kind is Kind.NUMERIC}
    return infer_contract(
        version.decoder.columns,
        version.target,
        columns,
        y,
        dropped=context.project.declaration.data.drop,
        rows=int(version.manifest["source"]["rows"]),
        unreadable=details.get("unreadable", {}),
        unlisted=[*context.project.declaration.privacy.kept, *(hinted - numbers)],
    )


def write_first(stages: Stages, dataset: str, source: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    """Where there is no contract yet: infer one and write it, for the user to keep. This source is what it was made of.

    Of personal columns that are undecided nothing is known as yet: the first run after they are decided infers it.
    """
    from penstock.objects.files import write_atomic

    context = stages.context
    project = context.project
    if stages.dry or project.declaration.contract.check == "off" or project.contract_file.exists():
        return
    if project.declaration.privacy.undecided:
        return
    text = infer_text(context, dataset)
    write_atomic(project.contract_file, text.encode())
    note_inferred(stages, text, source, declared)


def note_inferred(stages: Stages, text: str, source: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    """Write down that this text was inferred from this source."""
    context = stages.context
    inputs, params = _identity(context, source, text, declared)
    context.objects.put(text.encode())
    stages.do("contract", inferred, inputs, params)


# ---- rows that do not come as a file


def check_labelled(stages: Stages, rows: LabelledRows, override: str | None) -> None:
    """Hold labelled traffic against the contract before it joins the data set.

    Raises
    ------
    ContractBroken : and no override is given.
    """
    from penstock.bundle.specs import EncodedColumn
    from penstock.data.contract.check import Checker
    from penstock.data.contract.unsealed import nothing
    from penstock.data.source import Batch

    context = stages.context
    project = context.project
    text = None if project.declaration.contract.check == "off" else read_contract(project)
    if text is None or not len(rows):
        return
    contract = parsed(project, text)
    target = project.declaration.data.target
    names = [name for name in contract.columns if name != target and any(name in row for row in rows.rows)]
    columns = {name: EncodedColumn.of([text_of(row.get(name)) for row in rows.rows]) for name in names}
    how = personal_of(project)
    if "personal" in how:
        how["personal"] = replace(how["personal"], protector=None)  # what was asked is journalled protected
    columns[target] = EncodedColumn.of([text_of(label) for label in rows.labels])
    checker = Checker(
        contract,
        list(columns),
        nothing if "personal" in how else may_show(context, project),  # a protected row is not known again here
        part_of_file=True,
        **{**how, "without": frozenset(contract.columns) - set(columns)},
    )
    checker.add(Batch.of(columns))
    found = checker.result()
    if not found.passed:
        outputs = {"breaches": [breach.to_json() for breach in found.breaches], "told": lines_of(found.breaches)}
        _decide(stages, outputs, f"{len(rows)} labelled predictions", override)


def text_of(value: Any) -> str | None:
    """A JSON value as a file would write it; of a protected value what stands behind its mark.

    >>> [text_of(value) for value in (None, True, 1.0, "x", {"hash": "h3f"})]
    [None, 'true', '1', 'x', 'h3f']
    """
    from penstock.bundle.numbers import number_text

    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value) if value == value else None
    return str(value)


def check_asked(project: Project, source: Source, target: str) -> Checked | None:
    """Hold rows that a model is to answer against the contract; None where there is none, or it is not to be looked at.

    Row numbers and values are shown: these rows are asked about and not dealt.
    """
    from penstock.data.contract.check import check_source
    from penstock.data.contract.unsealed import everything

    text = None if project.declaration.contract.at_predict == "off" else read_contract(project)
    if text is None:
        return None
    contract = parsed(project, text)
    how = personal_of(project)
    without = {
        target,
        *how.pop("without", ()),
        *(name for name, rules in contract.columns.items() if rules.kind is None),
    }
    return check_source(contract, source, everything, part_of_file=True, without=frozenset(without), **how)
