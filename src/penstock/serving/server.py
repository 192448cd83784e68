"""`serve`: one process, or a small supervisor over several, behind one listening socket."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from penstock.errors import PenstockError, ServingError
from penstock.serving.draining import Flag
from penstock.serving.folder import ServingFolder
from penstock.serving.listening import address_of, grpc_address_of, listen, refuse_taken
from penstock.serving.logs import configured
from penstock.serving.metrics import begin_metrics
from penstock.serving.openness import open_to_all
from penstock.serving.rates import clear_rates
from penstock.serving.settings import ServeSettings
from penstock.serving.sharing import beside_others
from penstock.serving.slots import read_slots

if TYPE_CHECKING:
    from penstock.serving.supervisor import Reload
    from penstock.serving.team import Team

_SWITCH_S = 0.0005

Ready = Callable[[str, str | None], None]
"""Told the address of HTTP, and that of gRPC where there is one."""


def serve(
    state_dir: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    settings: ServeSettings | None = None,
    on_ready: Ready | None = None,
    reload: Reload | None = None,
) -> None:
    """Answer HTTP until SIGTERM or SIGINT; then answer what is in flight, sync the journal, and return.

    At SIGHUP new processes take over one after another, with new code and new settings, and no request is lost.

    Parameters
    ----------
    state_dir : the serving folder of a project (`.penstock/serving`), in which `penstock deploy` has filled a slot.
    port : 0 takes a free one.
    workers : processes; a crashed one is replaced.
    settings : with `grpc_port`, gRPC is answered as well, on the same host.
    on_ready : called once with the addresses when requests are answered.
    reload : gives the settings as they are declared at SIGHUP; default: they stay as they are.

    Raises
    ------
    ServingError : nothing is deployed, or a port is in use, or none.
    BundleError : what is live is damaged, or fails its self-test.
    """
    settings = msgspec.structs.replace(settings or ServeSettings(), host=host)
    settings.check()
    if workers > 1 and settings.grpc_port == 0:
        raise ServingError(
            "several workers cannot share a free port for gRPC",
            why="each would take another one",
            way_out="name the port: --grpc-port 8001",
        )
    state_dir = Path(state_dir).absolute()
    if read_slots(state_dir).live_entry is None:
        raise ServingError(
            "nothing is deployed",
            why=f"no slot is live in {state_dir}",
            way_out="run `penstock run`, then `penstock deploy`",
        )
    with listen(host, port) as listening:
        if settings.grpc_port:
            refuse_taken(host, settings.grpc_port)
        address = address_of(host, listening, "http" if settings.tls is None else "https")
        ready = (
            (lambda grpc_port: on_ready(address, grpc_address_of(host, grpc_port))) if on_ready else (lambda _: None)
        )

        def begin() -> None:
            begin_metrics(state_dir, settings.objectives)
            clear_rates(state_dir)

        with configured(settings.logs), beside_others(ServingFolder(state_dir).servers, begin):
            if workers > 1:
                from penstock.serving.supervisor import supervise

                supervise(state_dir, listening, workers, settings, lambda: ready(settings.grpc_port), reload=reload)
            else:
                _serve_alone(state_dir, listening, settings, ready, reload)


def _serve_alone(
    state_dir: Path,
    listening: socket.socket,
    settings: ServeSettings,
    ready: Callable[[int | None], None],
    reload: Reload | None,
) -> None:
    """Serve from this process; at SIGHUP a process of its own takes over, and this one supervises it from then on."""
    handover = Handover(state_dir, listening, settings, reload)
    with listening.dup() as own:
        run_worker(state_dir, own, settings, ready, handover)
    if handover.team is None:
        return
    if handover.stop.is_set():
        handover.team.close()
    else:
        from penstock.serving.supervisor import go_on

        go_on(handover.team, reload=reload, renew=handover.again.is_set())


class Handover:
    """What a server alone does at SIGHUP: has another process take its place.

    Attributes
    ----------
    team : of that process, once it was started.
    stop, again : whether the server was told meanwhile to stop, or to reload once more.
    """

    def __init__(
        self, state_dir: Path, listening: socket.socket, settings: ServeSettings, reload: Reload | None
    ) -> None:
        self.team: Team | None = None
        self.stop, self.again = Flag(), Flag()
        self._state_dir, self._listening, self._settings, self._reload = state_dir, listening, settings, reload
        self._is_shared = False  # the listening socket, with a process that serves it, or may come to

    def take_place(self, grpc_port: int | None) -> bool:
        """Start the process with settings read anew, and wait until it serves; whether it does."""
        self._is_shared = True
        self._is_shared = self._starts(grpc_port)
        return self._is_shared

    def stop_listening(self) -> None:
        """Refuse new connections, which nobody would answer any more."""
        if not self._is_shared:
            self._listening.close()

    def _starts(self, grpc_port: int | None) -> bool:
        from penstock.serving.supervisor import reloaded
        from penstock.serving.team import Team

        now = msgspec.structs.replace(self._settings, grpc_port=grpc_port)
        fresh = reloaded(self._reload, now)
        if fresh is None:
            return False
        team = Team(self._state_dir, self._listening, now)
        team.renew(fresh)
        if team.start_beside(self.stop):
            self.team = team
            return True
        team.stop()  # what was told to stop while it started
        return False


def run_worker(
    state_dir: Path,
    listening: socket.socket,
    settings: ServeSettings,
    ready: Callable[[int | None], None],
    handover: Handover | None = None,
) -> None:
    """Serve from this process until it is told to stop, or that another one has taken its place.

    Parameters
    ----------
    handover : has another process take this one's place, at SIGHUP. None in a team, whose supervisor sees to that.
    """
    import uvicorn  # here, because the supervisor does without

    from penstock.serving.app import App
    from penstock.serving.connections import end_what_is_slow, limits_of
    from penstock.serving.draining import BACKLOG, DRAIN, DRAIN_S, LEAVE_S, Terminal, accepted, drain
    from penstock.serving.fast_lane import PredictProtocol
    from penstock.serving.worker import Worker

    class Server(uvicorn.Server):
        _leaving: asyncio.Task[None] | None = None
        _renewing: asyncio.Task[None] | None = None
        _has_drained = False

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self._looking = asyncio.create_task(end_what_is_slow(self.server_state.connections))
            loop = asyncio.get_running_loop()
            if handover is None:
                loop.add_signal_handler(DRAIN, self._leave)
            else:
                loop.add_signal_handler(signal.SIGHUP, self._hang_up)
            if not self.should_exit:
                ready(None if app.grpc is None else app.grpc.port)

        def _leave(self) -> None:
            self._leaving = asyncio.create_task(self._go())

        async def _go(self) -> None:
            """Another process has taken the place of this one."""
            self._has_drained = True
            await drain(self, min(DRAIN_S, settings.stop_after_s), lambda: self.should_exit)
            self.should_exit = True

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Told to stop, or left: refuse new connections first, so that none waits for an answer that never comes."""
            waiting = [] if self._has_drained else [one for listening in sockets or () for one in accepted(listening)]
            for one in (*self.servers, *(sockets or ())):
                one.close()
            if handover is not None:
                handover.stop_listening()
            entering = [asyncio.create_task(self._enter(one)) for one in waiting]
            grpc = None if app.grpc is None else asyncio.create_task(app.grpc.stop(settings.stop_after_s))
            if not self._has_drained:
                await drain(self, min(LEAVE_S, settings.stop_after_s), lambda: self.force_exit, entering)
            await super().shutdown(sockets)
            if grpc is not None:
                await grpc

        async def _enter(self, one: socket.socket) -> None:
            """Serve a connection as if the loop had accepted it."""
            with contextlib.suppress(OSError):  # it is gone, or did not finish its handshake
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol(config=config, server_state=self.server_state, app_state=self.lifespan.state),
                    one,
                    ssl=config.ssl,
                    ssl_handshake_timeout=None if config.ssl is None else settings.header_timeout_s,
                )

        def _hang_up(self) -> None:
            if terminal.is_gone:
                self.should_exit = True
            elif self._renewing is None or (self._renewing.done() and not self.should_exit):
                self._renewing = asyncio.create_task(self._renew())
            elif handover is not None:
                handover.again.set()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            super().handle_exit(sig, frame)
            if handover is not None:
                handover.stop.set()

        async def _renew(self) -> None:
            assert handover is not None
            while not await asyncio.to_thread(handover.take_place, None if app.grpc is None else app.grpc.port):
                if not handover.again.is_set():
                    return
                handover.again.clear()
            await self._go()

    class Config(uvicorn.Config):
        def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
            if settings.tls is None:
                return super().get_loop_factory()
            from penstock.serving.handshakes import TlsLoop

            return partial(TlsLoop, settings.header_timeout_s)

    # A request of thousands of rows is made in a thread, of so many objects that the collector looks at all others again and again, which
    # holds up every thread: not at those that are here for good. And the loop gets the lock of Python back sooner than by default (5 ms).
    gc.freeze()
    sys.setswitchinterval(_SWITCH_S)
    terminal = Terminal()
    worker = Worker(state_dir, settings)
    app = App(worker)
    protocol = PredictProtocol.of(app.lane, limits_of(settings))
    config = Config(
        app,
        loop="uvloop",  # named, not "auto": plain asyncio with two workers answers in 44 ms
        http=protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(settings.keep_alive_s),
        timeout_graceful_shutdown=max(1, round(settings.stop_after_s)),
    )
    if worker.certificate is not None:
        config.load()
        config.ssl = worker.certificate.context  # ours: it is loaded again when the files change
    server = Server(config)

    def end() -> None:
        server.should_exit = True

    worker.end = end

    def stop(number: int, frame: object) -> None:
        end()

    # uvicorn takes these over once it runs, stops gracefully, and then raises them again for whoever had them before:
    # here. Whoever had them must also stop the server, because one may come before uvicorn takes over.
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listening])
    except SystemExit:  # uvicorn's own way to say that the app did not start
        if worker.failure is None:
            raise
    finally:
        worker.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    if worker.failure is not None:
        raise worker.failure


def main(arguments: list[str] | None = None) -> int:
    """``python -m penstock.serving.server STATE_DIR``: a server without the command line, for containers and tests.

    Prints one JSON object with the address once it answers. A worker of a supervisor is started through here as well.
    """
    parser = argparse.ArgumentParser(prog="python -m penstock.serving.server", description=main.__doc__)
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--settings", default="{}", help="a JSON object, or @FILE with one, which SIGHUP reads again")
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        settings = _settings(options.settings)
        if options.fd is not None:
            from penstock.serving.supervisor import work

            work(options.state_dir, options.fd, options.ready_fd, settings)
        else:
            warning = open_to_all(
                options.state_dir, options.host, settings.consumers, encrypted=settings.tls is not None
            )
            if warning:
                print(warning, file=sys.stderr, flush=True)
            serve(
                options.state_dir,
                host=options.host,
                port=options.port,
                workers=options.workers,
                settings=settings,
                on_ready=_print_addresses,
                reload=lambda: _settings(options.settings),
            )
    except PenstockError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _settings(text: str) -> ServeSettings:
    """
    Raises
    ------
    ServingError : they are not settings of a server.
    """
    try:
        given = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        return msgspec.json.decode(given, type=ServeSettings)
    except (OSError, msgspec.MsgspecError) as error:
        raise ServingError(
            "the settings cannot be read", why=str(error), way_out='give a JSON object such as {"max_rows": 100}'
        ) from error


def _print_addresses(address: str, grpc: str | None) -> None:
    said = {"format": 1, "address": address, **({} if grpc is None else {"grpc": grpc})}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main())
