"""The gate `reproducible = true`: deploy wants proof that the result can be made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import DeclarationError
from penstock.project.declaration import parse_declaration

Cli = Callable[..., Any]
GATE = "\n[[gates]]\nreproducible = true\n"


def declare(project: Any) -> None:
    """Add the gate to the project."""
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write(GATE)


def test_deploy_is_refused_until_the_run_was_reproduced(penstock: Cli, project_at: Cli) -> None:
    """No envelope is opened by the refusal, which names the command; after it, deploy passes and shows the gate."""
    project = project_at("run")
    declare(project)
    run = next(r for r in penstock(project, "runs").body["runs"] if r["operation"] == "run")
    refused = penstock(project, "deploy")
    assert refused.code == 1
    assert refused.error["code"] == "gate-refused"
    assert refused.error["try"].startswith(f"penstock reproduce {run['id']}")
    assert penstock(project, "reproduce", run["id"]).body["verdict"] == "identical"
    done = penstock(project, "deploy")
    assert done.code == 0, done
    assert done.body["envelope"]["left"] == 1
    gate = next(g for g in done.body["gates"] if g["id"] == "reproducible")
    assert gate["passed"] is True


def test_an_override_goes_past_it_and_is_shown(penstock: Cli, project_at: Cli) -> None:
    """With its reason, beside the gate that said no."""
    project = project_at("run")
    declare(project)
    done = penstock(project, "deploy", "--override", "the auditor is on holiday")
    assert done.code == 0
    assert [o["gate"] for o in done.body["overrides"]] == ["reproducible"]


def test_the_gate_does_not_make_known_stages_run_again(penstock: Cli, project_at: Cli) -> None:
    """It is judged from the ledger, at deploy."""
    project = project_at("run")
    declare(project)
    assert {step["status"] for step in penstock(project, "run").body["steps"]} == {"known"}


@pytest.mark.parametrize("more", ['metric = "roc_auc"', "at_least = 0.5", 'slice = "every"'])
def test_it_stands_alone(more: str) -> None:
    """A metric, a limit or a slice beside it would be ignored, so it is refused."""
    with pytest.raises(DeclarationError, match=r"gates\[0\]"):
        parse_declaration(f'[data]\nsource = "a.csv"\ntarget = "y"\n[[gates]]\nreproducible = true\n{more}\n')
