"""Clients that ask a server over connections that stay open: as fast as it answers, or at a rate that is held.

``python load.py PORT BODY OUT --seconds 10 --connections 8 [--rate 800]`` writes what came back to OUT as JSON: when each answer was due and how long it
took, the ids that were acknowledged, what failed. At a held rate the time runs from when a request was due, not from when it was sent: a
server that stands still for a second is late for all that were due in it. A connection that breaks is opened anew; its request is counted as failed and not sent
again. ``connection: close`` is honoured.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.serving.prediction_ids import LENGTH


@dataclass
class Told:
    """What came back. `at` and `took` in seconds, one of each for every answer with status 200."""

    began: float
    at: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)  # by status
    broken: int = 0  # connections that broke while they waited for an answer

    def to_json(self) -> dict[str, Any]:
        return self.__dict__


class _Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.due = 0.0
        self.got = b""
        self.waits = False
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got, self.waits = b"", False


def ask(port: int, body: bytes, seconds: float, connections: int, rate: float | None = None) -> Told:
    """Ask for so long.

    Parameters
    ----------
    rate : requests per second of all connections together; None: each asks again as soon as it has its answer.
    """
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    request = head % len(body) + body
    selector = selectors.DefaultSelector()
    idle: deque[_Connection] = deque()
    for _ in range(connections):
        one = _Connection(port)
        selector.register(one.socket, selectors.EVENT_READ, one)
        idle.append(one)
    told = Told(time.time())
    start = time.perf_counter()
    ends, next_due = start + seconds, start
    waiting = 0

    def renew(one: _Connection) -> None:
        selector.unregister(one.socket)
        one.socket.close()
        one.open()
        selector.register(one.socket, selectors.EVENT_READ, one)

    def send(one: _Connection, due: float) -> bool:
        one.due, one.waits = due, True
        try:
            one.socket.sendall(request)
        except OSError:
            told.broken += 1
            renew(one)
            return False
        return True

    while True:
        now = time.perf_counter()
        if now >= ends and not waiting:
            break
        while idle and now < ends and (rate is None or next_due <= now):
            one = idle.popleft()
            if send(one, now if rate is None else next_due):
                waiting += 1
            else:
                idle.append(one)
            if rate is not None:
                next_due += 1 / rate
        pause = 0.05 if rate is None or not idle else max(0.0, min(0.05, next_due - now))
        for key, _ in selector.select(pause):
            one = key.data
            try:
                chunk = one.socket.recv(262_144)
            except OSError:
                chunk = b""
            if not chunk:
                if one.waits:
                    told.broken += 1
                    waiting -= 1
                    idle.append(one)
                renew(one)
                continue
            one.got += chunk
            head_end = one.got.find(b"\r\n\r\n")
            if head_end < 0:
                continue
            said = one.got[:head_end].lower()
            length = int(said.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(one.got) < head_end + 4 + length:
                continue
            content, one.got, one.waits = one.got[head_end + 4 :], b"", False
            status = said[9:12].decode()
            done = time.perf_counter()
            if status == "200":
                told.at.append(one.due - start)
                told.took.append(done - one.due)
                place = content.index(b'"id":"') + 6
                told.ids.append(content[place : place + LENGTH].decode())
            else:
                told.refused[status] = told.refused.get(status, 0) + 1
            waiting -= 1
            idle.append(one)
            if b"connection: close" in said:
                renew(one)
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    told = ask(options.port, options.body.read_bytes(), options.seconds, options.connections, options.rate)
    options.out.write_text(json.dumps(told.to_json()), encoding="utf-8")


if __name__ == "__main__":
    main()
