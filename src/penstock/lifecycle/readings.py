"""How the data set will read columns, as far as that is settled before a source is read: what `[data]` says, or the version before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.objects.digests import digest_of_json
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.bundle.history import Past
    from penstock.data.contract.contract import ColumnRules, Contract
    from penstock.data.contract.reading import Reading


def readings(
    project: Project, contract: Contract, declared: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> dict[str, Reading]:
    """Column -> how it will be read, where that is not how the contract reads it.

    Columns of a version are read as there until the declaration says another thing of the source; then all is found anew, but for what
    `[data]` says of how dates and numbers are written.

    Parameters
    ----------
    options : of the source as it is opened, where it is; None: those of the version before.
    """
    from penstock.data.contract.reading import Reading, unlike
    from penstock.data.request import SETTLED
    from penstock.data.writing import Writing

    writing, kinds = Writing.from_json(declared.get("writing", {})), declared["kinds"]
    found = {
        name: Reading(spec, said=True)
        for name in writing.names
        if name in contract.columns and (spec := _said(contract.columns[name], writing, kinds)) is not None
    }
    head = project.ledger.datasets.head(project.name)
    manifest = (
        None if head is None else json.loads(project.objects.get(head))
    )  # alone: nothing numerical is loaded for it
    if manifest is not None and _is_followed(manifest, declared, options):
        from penstock.bundle.specs import ColumnSpec

        for plain in manifest["decoder"]["columns"]:
            spec = ColumnSpec.from_json(plain)
            if spec.kind in SETTLED and spec.privacy is None and spec.name not in found:
                found[spec.name] = Reading(spec, said=False)
    return unlike(contract.columns, found)


def _said(rules: ColumnRules, writing: Any, kinds: Mapping[str, str]) -> Any:
    """The column as the contract has it, with what `[data]` says; None where the contract has it as another kind."""
    from dataclasses import replace

    from penstock.bundle.kinds import Kind

    of, kind = writing.of(rules.name), Kind(kinds.get(rules.name, rules.kind or Kind.TEXT))
    if kind is not rules.kind:
        return None
    if kind is Kind.DATETIME and of.formats:
        return replace(rules.spec, formats=of.formats)
    if kind is Kind.NUMERIC and of.settles_numbers:
        decimal = of.decimal or rules.decimal
        thousands = rules.thousands if of.thousands is None else of.thousands
        return replace(rules.spec, decimal=decimal, thousands="" if thousands == decimal else thousands)
    return None


def _is_followed(manifest: Mapping[str, Any], declared: Mapping[str, Any], options: Mapping[str, Any] | None) -> bool:
    """Whether the next version keeps how this one reads its columns: see `penstock.data.ingest`."""
    from penstock.bundle.kinds import Kind, Task
    from penstock.data.request import Request
    from penstock.data.writing import Writing
    from penstock.project.split_settings import SplitSettings

    before = manifest["source"].get("how")
    if (manifest["decoder"]["target"]["name"], manifest["split"]) != (
        declared["target"],
        declared["split"],
    ) or before is None:
        return False
    asked = Request(
        "",
        before["options"] if options is None else options,
        declared["target"],
        SplitSettings(**declared["split"]),
        None if declared["task"] is None else Task(declared["task"]),
        {name: Kind(kind) for name, kind in declared["kinds"].items()},
        None if declared["missing"] is None else tuple(declared["missing"]),
        tuple(declared["drop"]),
        declared["positive"],
        row_key=declared.get("key"),
        history=_pasts(declared.get("history", {})),
        privacy=declared.get("privacy", {}).get("actions", {}),
        writing=Writing.from_json(declared.get("writing", {})),
    )
    return digest_of_json(asked.how) == digest_of_json(before)


def _pasts(declared: Mapping[str, Any]) -> tuple[Past, ...]:
    if not declared:
        return ()
    from penstock.data.history import pasts_of

    return pasts_of(declared)
