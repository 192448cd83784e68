"""Every command of the tutorials, in its order, in one folder each, with a real server."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = [DOCS / "tutorial.md", *sorted((DOCS / "tutorials").glob("*.md"))]
PORT = "8000"
FENCE = re.compile(r"(?:<!-- (?P<hint>[^>]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"[+-]?\d[\d,.]*(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block. The comment above it, if any, says what to do with it."""

    line: int
    language: str
    hint: str
    text: str


def blocks(tutorial: Path) -> list[Block]:
    text = tutorial.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, m.start("text")), m["language"], m["hint"] or "", m["text"])
        for m in FENCE.finditer(text)
    ]


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command after a ``$``, and the output that is shown for it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0] + "\n" + line, [])
        else:
            found[-1][1].append(line)
    yield from found


class Reader:
    """Somebody who does what the tutorial says. Knows a folder, a free port, and the servers that were started."""

    def __init__(self, folder: Path, set_line: Callable[[Path, str, str], None]) -> None:
        self.folder, self.set_line = folder, set_line
        self.servers: list[subprocess.Popen[str]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "120"}

    def does(self, block: Block) -> None:
        text = block.text.replace(f":{PORT}", f":{self.port}")
        if block.language == "console":
            for command, shown in commands(text):
                self.types(command, shown)
        elif block.language == "python":
            name = block.hint or "snippet.py"
            (self.folder / name).write_text(text, encoding="utf-8")
            self.types(f"python {name}", [])
        elif block.language == "json" or (block.language == "toml" and block.hint == "recipe.toml"):
            (self.folder / block.hint).write_text(text, encoding="utf-8")
        elif block.language == "toml":
            self.declares(text)

    def declares(self, text: str) -> None:
        """Lines of `penstock.toml`. A gate stands at the end of the file, instead of the one that was there."""
        lines, gate, rest = text.partition("[[gates]]")
        section = ""
        for line in filter(None, lines.splitlines()):
            if line.startswith("["):
                section = line.strip("[]")
            else:
                self.set_line(self.folder, section, line)
        file = self.folder / "penstock.toml"
        if gate:
            before = file.read_text(encoding="utf-8").partition("\n[[gates]]")[0]
            file.write_text(f"{before}\n[[gates]]{rest}", encoding="utf-8")

    def types(self, command: str, shown: list[str]) -> None:
        if command.startswith("penstock serve"):
            output = self.starts(command)
        else:
            script = f"{command}\ncode=$?\npwd > '{self.folder.parent}/.place'\nexit $code"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            output = done.stdout
            place = self.folder.parent / ".place"
            self.folder = Path(place.read_text().strip())
            assert done.returncode == 0, f"$ {command}\n{output}"
        missing = not_said(shown, output)
        assert missing is None, f"$ {command}\n{output}\n\nthe tutorial shows: {missing}"

    def starts(self, command: str) -> str:
        server = subprocess.Popen(
            [*command.split(), "--port", self.port],
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        assert server.stderr is not None
        return server.stderr.readline()

    def leaves(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait(timeout=20)


def not_said(shown: list[str], output: str) -> str | None:
    """The first shown line that the output does not have, in order. Figures may differ; ``...`` stands for anything."""
    lines = [plain(line) for line in output.splitlines()]
    at = 0
    for line in filter(str.strip, shown):
        if line.strip() == "...":
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in plain(line).split("...")))
        at = next((i + 1 for i in range(at, len(lines)) if pattern.fullmatch(lines[i])), -1)
        if at < 0:
            return line
    return None


def plain(line: str) -> str:
    """Without figures and the width of gaps."""
    return " ".join(NUMBER.sub("#", line).split())


def test_what_is_shown_may_differ_in_figures_only() -> None:
    """The comparison itself: numbers and gaps are free, words and order are not."""
    assert not_said(["roc 0.91 of 76", "..."], "first\nroc   0.8 of 5\n") is None
    assert not_said(["auc 0.91"], "roc 0.91\n") == "auc 0.91"
    assert not_said(["b", "a"], "a\nb\n") == "a"
    assert not_said(['{"id": "...", "x": 1}'], '{"id": "A7", "x": 2}') is None


def test_every_block_has_a_reader() -> None:
    """A fence in another language would be shown and never tried."""
    for tutorial in TUTORIALS:
        assert {block.language for block in blocks(tutorial)} <= {"console", "python", "toml", "json"}


@pytest.mark.timeout(280)
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_works(tutorial: Path, tmp_path: Path, set_line: Callable[[Path, str, str], None]) -> None:
    """All of it, from the table to the last command."""
    folder = tmp_path / "work"
    folder.mkdir()
    reader = Reader(folder, set_line)
    try:
        for block in blocks(tutorial):
            try:
                reader.does(block)
            except AssertionError as failed:
                raise AssertionError(f"{tutorial.name}, line {block.line}: {failed}") from None
    finally:
        reader.leaves()
