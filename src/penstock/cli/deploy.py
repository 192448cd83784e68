"""`penstock deploy`: open one envelope, judge, fill the idle slot, switch."""

from __future__ import annotations

import click

from penstock.cli.output import emit, json_option, say


@click.command()
@click.option("--version", "version", type=int, help="Default: the challenger, or the newest that passed.")
@click.option("--override", "override", help="Deploy although a gate said no; the reason is shown for ever.")
@click.option(
    "--accept-spent", "accept_spent", help="Score on an envelope that was opened before, and why that is acceptable."
)
@click.option("--canary", "canary", metavar="SHARE", help="Let it answer this share of the requests, such as 10%.")
@click.option("--ab", "ab", metavar="SHARE", help="The same, to be compared with the live version: monitor --arms.")
@click.option("--shadow", "shadow", is_flag=True, help="Let it answer copies of the requests, which nobody sees.")
@click.option("--sticky", "sticky", metavar="FIELD", help="A value of this field always gets the same arm.")
@json_option
def deploy(
    version: int | None,
    override: str | None,
    accept_spent: str | None,
    canary: str | None,
    ab: str | None,
    shadow: bool,
    sticky: str | None,
    as_json: bool,
) -> int:
    """Score a version on a sealed envelope and, if its gates pass, put it live.

    With --canary, --ab or --shadow it is released beside the live version instead, and no envelope is opened:
    `penstock promote` does that, and puts it live; `penstock rollback` ends the release.
    """
    from penstock.lifecycle.deploy import deploy_version
    from penstock.project.project import Project

    modes = [
        name for name, given in (("canary", canary is not None), ("ab", ab is not None), ("shadow", shadow)) if given
    ]
    if len(modes) > 1:
        raise click.UsageError(f"--{modes[0]} and --{modes[1]}: a version is released in one way")
    if modes and (override is not None or accept_spent is not None):
        raise click.UsageError("--override and --accept-spent are for the envelope, which `penstock promote` opens")
    if sticky is not None and modes not in (["canary"], ["ab"]):
        raise click.UsageError("--sticky deals the arms of --canary or --ab")
    if modes:
        from penstock.lifecycle.release import release_version
        from penstock.serving.releases import parse_share

        share = (
            0.0 if shadow else parse_share(ab if canary is None and ab is not None else canary or "", f"--{modes[0]}")
        )
        mode = modes[0]
        released = release_version(Project.here(), mode, version=version, share=share, sticky=sticky, told=say)  # type: ignore[arg-type]
        return emit(released, as_json=as_json)
    result = deploy_version(Project.here(), version=version, override=override, accept_spent=accept_spent, told=say)
    return emit(result, as_json=as_json)
