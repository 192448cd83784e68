"""What the ledger shows beside runs: models, lineage, versions of the data, checks."""

from __future__ import annotations

import inspect

from penstock.errors import NotFound
from penstock.experiments.sheets import Listing, Sheet
from penstock.project.project import Project
from penstock.project.workspace import Workspace


def show_lineage(workspace: Workspace, ref: str) -> Sheet:
    """Upstream and downstream of a run, a digest, or the number of a version. Runs of scripts need no project."""
    if ref.isdecimal():
        ref = workspace.ledger.registry.get(workspace.name, int(ref)).bundle
    lineage = workspace.ledger.lineage(ref)
    return Sheet(lineage.to_json(), lineage.to_text())


def list_models(project: Project) -> Listing:
    """The registry, where what a server has changed by itself is known as well."""
    from penstock.lifecycle.put_back import put_back
    from penstock.lifecycle.settle import settle_if_free

    settle_if_free(project)
    registry = project.ledger.registry
    aliases: dict[int, list[str]] = {}
    for alias, version in registry.aliases(project.name).items():
        aliases.setdefault(version, []).append(alias)
    versions, back = registry.versions(project.name), put_back(project)
    body = [
        {
            **v.to_json(),
            "aliases": sorted(aliases.get(v.version, [])),
            "forgotten": v.is_forgotten,
            "put_back": {n: getattr(back[v.version], n) for n in ("what", "at", "who")} if v.version in back else None,
        }
        for v in versions
    ]
    rows = [
        (
            str(v.version),
            ", ".join([*sorted(aliases.get(v.version, [])), *(["put back"] if v.version in back else [])]),
            "passed" if v.passed else ("overridden" if v.overrides else "did not pass"),
            v.dataset[7:19] + (", forgotten" if v.is_forgotten else ""),
            v.created_at[:19].replace("T", " "),
        )
        for v in versions
    ]
    return Listing(
        {"model": project.name, "versions": body},
        ("version", "alias", "gates", "data set", "made (UTC)"),
        rows,
        "no versions yet; `penstock run` makes one",
    )


def explain_checks(check: str | None = None) -> Listing | Sheet:
    """What one check of the monitor or of the data, or one kind of personal data, says of itself, or the list of all.

    Raises
    ------
    NotFound : there is no such check; lists those that there are.
    """
    from penstock.data.contract.check import RULES, explain_rule
    from penstock.data.privacy.detect import recognisers
    from penstock.data.quality.report import QUALITY_CHECKS, explain_quality
    from penstock.monitoring.monitor import CHECKS, explain_check

    texts = {c.id: explain_check(c.id) for c in CHECKS} | {c.id: explain_quality(c.id) for c in QUALITY_CHECKS}
    texts |= {rule.id: explain_rule(rule.id) for rule in RULES}
    texts |= {one.name: inspect.cleandoc(type(one).__doc__ or "") for one in recognisers()}
    if check is not None:
        if check not in texts:
            why = f"there are: {', '.join(texts)}"
            raise NotFound(f"there is no check {check!r}", why=why, way_out="write one of these")
        return Sheet({"id": check, "text": texts[check]}, f"{check}\n\n{texts[check]}")
    body = [{"id": name, "text": text} for name, text in texts.items()]
    rows = [(c["id"], c["text"].splitlines()[0]) for c in body]
    return Listing({"checks": body}, ("check", "says"), rows, "")
