"""`penstock quantise`: a version in smaller numbers, beside the exact one; what passes can become a version of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter, ProjectError
from penstock.experiments.sheets import table
from penstock.lifecycle.bundles import packaging_run, restore_bundle, version_folder
from penstock.lifecycle.check import check_declaration
from penstock.lifecycle.exports import chosen_version
from penstock.lifecycle.quantised import quantised
from penstock.lifecycle.quantised_gates import EXACT
from penstock.lifecycle.register import register
from penstock.lifecycle.results import figure
from penstock.lifecycle.settings import Settings, overriding
from penstock.lifecycle.stages import Context, Listener, Stages
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.ledger.registry import ModelVersion

MEASURED = "latency and memory are those of this machine, with one thread: measure again on the device that it is for"


@dataclass(frozen=True)
class QuantiseResult:
    """Outcome of `penstock quantise`.

    Attributes
    ----------
    forms : a row for the exact graph, then one for each form that was tried.
    registered : the number of the new version; None where there is none.
    """

    model: str
    version: int
    metric: str
    forms: list[dict[str, Any]]
    chosen: str | None
    run: str
    overrides: list[dict[str, Any]] = field(default_factory=list)
    registered: int | None = None
    bundle: str | None = None
    report: str | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 0 if self.chosen is not None else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "metric": self.metric,
            "forms": self.forms,
            "chosen": self.chosen,
            "overrides": self.overrides,
            "registered": self.registered,
            "bundle": self.bundle,
            "report": self.report,
            "run": self.run,
            "warnings": self.warnings,
        }

    def to_text(self) -> str:
        lines = [f"{self.model} version {self.version}", table([header(self.metric), *self.cells()], indent="  ")]
        for row in self.forms:
            if not row["applies"]:
                lines.append(f"  {row['form']} does not apply: {row['why']}")
            for gate in row.get("gates", ()):
                if not gate["passed"]:
                    lines.append(f"  {row['form']}: gate {gate['id']}: FAILED; {gate['why']}")
        lines += [f"  overridden by {o['who']}: {o['reason']}" for o in self.overrides]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        lines.append(f"  {MEASURED}")
        if self.chosen is None:
            lines.append("no form passes; the exact version stays as it is")
        elif self.registered is None:
            lines.append(f"{self.chosen} passes. next: penstock quantise --register")
        else:
            lines.append(
                f"{self.chosen} is version {self.registered} now. next: penstock deploy --version {self.registered}"
            )
        return "\n".join(lines)

    def to_html(self) -> str:
        """The same as a page, with every gate of every form."""
        from penstock.evaluation.render import page

        return page(
            "quantise.html",
            package="penstock.packaging",
            model=self.model,
            number=self.version,
            metric=self.metric,
            chosen=self.chosen,
            overrides=self.overrides,
            header=header(self.metric),
            rows=self.cells(),
            forms=self.forms,
            measured=MEASURED[0].upper() + MEASURED[1:],
        )

    def cells(self) -> list[tuple[str, ...]]:
        """Rows of the table, each form that applies beside the exact graph."""
        return [_cells(row, chosen=row["form"] == self.chosen) for row in self.forms if row["applies"]]


def quantise_version(
    project: Project,
    *,
    version: int | None = None,
    forms: Sequence[str] = (),
    add: bool = False,
    override: str | None = None,
    listener: Listener | None = None,
) -> QuantiseResult:
    """Try to have a version's graph in smaller numbers. What is known of it is not measured again.

    Parameters
    ----------
    version : default: the live one, or the newest that passed; of a quantised one, what it was made from. forms : default: those of ``[quantise] forms``.
    add : register what was chosen as a new version, which `deploy` takes next.
    override : the reason to choose a form although a gate says no; it needs exactly one form.

    Raises
    ------
    ProjectError : the version is quantised already. NotFound : there is no such version.
    BadParameter : an unknown form, or an override of several.
    """
    reason = overriding(override)
    names = _forms(project, forms, overridden=reason is not None)
    with (
        project.ledger.lock(f"run {project.name}"),
        Stages(Context(project), "quantise", listener) as stages,
    ):
        chosen = _exact(project, chosen_version(project, version), asked=version is not None)
        packaged = packaging_run(project, chosen)
        check_declaration(project, chosen.dataset)
        done = stages.do("quantised", quantised, _inputs(chosen, packaged), _params(project, chosen, names, reason))
        added = _registered(stages, chosen, done) if add and done.outputs["chosen"] is not None else {}
    return QuantiseResult(
        model=chosen.name,
        version=chosen.version,
        metric=done.outputs["metric"],
        forms=done.outputs["forms"],
        chosen=done.outputs["chosen"],
        run=done.id,
        overrides=done.outputs.get("overrides", []),
        warnings=_warnings(done),
        **added,
    )


def _exact(project: Project, chosen: ModelVersion, *, asked: bool) -> ModelVersion:
    """The version, or what it was made from: where none was `asked` for, the live one may be quantised itself."""
    packaged = packaging_run(project, chosen)
    if packaged.operation != "quantised":
        return chosen
    if not asked:
        return project.ledger.registry.get(chosen.name, int(packaged.params["of"]))
    raise ProjectError(
        f"{chosen.name} version {chosen.version} is quantised already ({packaged.outputs['chosen']})",
        why="what rounding took cannot be had back: each form is made from the exact graph",
        way_out=f"penstock quantise --version {packaged.params['of']}",
    )


def _forms(project: Project, asked: Sequence[str], *, overridden: bool) -> list[str]:
    from penstock.packaging.quantising.forms import FORMS

    names = list(dict.fromkeys(asked)) or list(project.declaration.quantise.forms)
    for name in names:
        if name not in FORMS:
            raise BadParameter(
                f"there is no form {name!r}", why=f"there are {', '.join(FORMS)}", way_out="write one of these"
            )
    if overridden and len(names) != 1:
        raise BadParameter(
            "--override is about one form",
            why=f"{len(names)} would be tried, and which of them the reason is for is not said",
            way_out=f"name it: --form {names[0]} --override REASON",
        )
    return names


def _inputs(chosen: ModelVersion, packaged: RunRecord) -> dict[str, Any]:
    """The exact bundle, and the rows that it was packaged with."""
    rows = {name: value for name, value in packaged.inputs.items() if name in ("dataset", "spent", "max_rows")}
    return {**rows, "candidate": packaged.inputs["candidate"], "bundle": chosen.bundle}


def _params(
    project: Project, chosen: ModelVersion, forms: list[str], override: dict[str, str] | None
) -> dict[str, Any]:
    import msgspec

    settings = Settings.of(project, None)
    limits = {k: v for k, v in msgspec.to_builtins(project.declaration.quantise).items() if k != "forms"}
    return {
        "name": chosen.name,
        "of": chosen.version,
        "forms": forms,
        **limits,
        **settings.judge,
        "slices": settings.evaluate["slices"],
        "seed": settings.evaluate["seed"],
        "scope": settings.package["scope"],
        "overrides": chosen.overrides,
        "override": override,
    }


def _registered(stages: Stages, chosen: ModelVersion, done: RunRecord) -> dict[str, Any]:
    """The new version, its bundle and its report where people look for them."""
    from penstock.evaluation.render import to_html
    from penstock.evaluation.report import Report
    from penstock.objects.files import write_atomic

    project = stages.context.project
    search = project.ledger.get(chosen.run).params["search"]
    report = str(done.artifacts["report"]["digest"])
    made = stages.do(
        "register",
        register,
        {"bundle": done.outputs["bundle"], "report": report, "dataset": chosen.dataset},
        {"name": chosen.name, "search": search, "package": done.id},
    )
    number = int(made.outputs["version"])
    folder = restore_bundle(
        project,
        str(done.outputs["bundle"]),
        version_folder(project, number),
        audit_head=str(done.outputs["audit_head"]),
    )
    page = project.root / "reports" / f"{project.name}-v{number}.html"
    if not page.is_file():
        shown = Report.from_json(json.loads(project.objects.get(report)))
        facts = (*shown.facts, ("version", str(number)), ("bundle", str(done.outputs["bundle"])))
        page.parent.mkdir(exist_ok=True)
        write_atomic(page, to_html(shown.with_(facts=facts, title=f"{project.name} version {number}")).encode())
    project.ledger.registry.set_alias(chosen.name, "challenger", number)
    return {
        "registered": number,
        "bundle": str(folder.relative_to(project.root)),
        "report": str(page.relative_to(project.root)),
    }


def _warnings(done: RunRecord) -> list[str]:
    """What a form gains nothing by, although it passes."""
    row = next((row for row in done.outputs["forms"] if row["form"] == done.outputs["chosen"]), None)
    if row is None or row["row_ratio"] <= 1.05:
        return []
    return [f"{row['form']} takes {row['row_ratio']:.2g} times as long for a row here: it is smaller, not faster"]


def header(metric: str) -> tuple[str, ...]:
    """Titles of the columns of the table."""
    return (
        "form",
        "graph MB",
        "bundle MB",
        "CPU ms",
        "ratio",
        "rows/s",
        "memory MB",
        metric,
        "moved p99",
        "most",
        "changed",
        "gates",
    )


def _cells(row: dict[str, Any], *, chosen: bool) -> tuple[str, ...]:
    figures = (
        row["form"] + (" *" if chosen else ""),
        f"{row['graph_mb']:.3g}",
        f"{row['size_mb']:.3g}",
        f"{row['row_cpu_ms']:.3g}",
        f"{row['row_ratio']:.2f}",
        f"{row['rows_per_s']:,.0f}",
        f"{row['memory_mb']:.0f}",
        figure(row["value"]),
    )
    if row["form"] == EXACT:
        return (*figures, "", "", "", "")
    moved = row["moved"]
    verdict = "passed" if row["passed"] else "FAILED"
    return (*figures, f"{moved['p99']:.2g}", f"{moved['largest']:.2g}", f"{moved['changed']:.2%}", verdict)
