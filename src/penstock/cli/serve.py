"""`penstock serve`: answer over HTTP, following the slots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.output import PATH


@click.command()
@click.option("--host", "host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    "port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--workers",
    "workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the port.",
)
@click.option(
    "--grpc-port",
    "grpc_port",
    type=click.IntRange(0, 65535),
    help="Answer gRPC on this port as well, instead of that of [serving] (extra: penstock[grpc]); 0 takes a free one.",
)
@click.option(
    "--certificate", "certificate", type=PATH, help="Speak TLS with this chain, in PEM; instead of [serving.tls]."
)
@click.option("--key", "key", type=PATH, help="The key of the certificate, in PEM.")
def serve(host: str, port: int, workers: int, grpc_port: int | None, certificate: Path | None, key: Path | None) -> int:
    """Serve the live version; deploy and rollback take effect while it runs. SIGHUP reads [serving] anew, without a request lost."""
    import msgspec

    from penstock.cli.output import say
    from penstock.project.live import server_settings
    from penstock.project.project import Project
    from penstock.serving.openness import open_to_all
    from penstock.serving.server import serve as serve_state
    from penstock.serving.settings import ServeSettings, TlsSettings

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together")
    project = Project.here()
    asked: dict[str, Any] = {} if grpc_port is None else {"grpc_port": grpc_port}
    if certificate is not None and key is not None:
        asked["tls"] = TlsSettings(str(certificate.absolute()), str(key.absolute()))

    def declared() -> ServeSettings:
        settings = server_settings(Project(project.root).declaration.serving, project.root)
        return msgspec.structs.replace(settings, **asked)

    settings = declared()

    warning = open_to_all(project.serving_state, host, settings.consumers, encrypted=settings.tls is not None)
    if warning:
        say(warning)

    def announce(address: str, grpc: str | None) -> None:
        beside = "" if grpc is None else f", gRPC on {grpc}"
        say(f"{project.name} answers on {address}{beside}  (try a row there in a browser; Ctrl-C stops)")

    serve_state(
        project.serving_state,
        host=host,
        port=port,
        workers=workers,
        settings=settings,
        on_ready=announce,
        reload=declared,
    )
    return 0
