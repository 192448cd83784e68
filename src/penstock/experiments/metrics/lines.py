"""Metrics in printed lines: ``epoch: 3 loss: 0.5 acc: 0.91``, as scripts print them without knowing of Penstock.

What counts by default: a key of one to three words, a colon, and a number::

    loss: 0.25                           loss
    epoch: 3  val loss: 0.3, acc: 91%    val_loss and acc at step 3
    Epoch 3/10 - loss: 0.5               loss at step 3; a line "Epoch 3/10" alone gives the step of those that follow
    [20] valid_0's auc: 0.93             valid_0_auc at step 20
    {'loss': 0.5, 'epoch': 1.0}          loss and epoch

A number stands alone: ``time: 3.2s``, ``size: 12/60``, ``at: 12:30`` and ``acc: 91,5`` are none; ``rows: 60,000`` is
sixty thousand. Four words or more before the colon are prose.
``[run] metrics`` (or ``[scripts."train.py"] metrics``) replaces this by patterns of the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from penstock.errors import DeclarationError

MOST_NAMES = 1000
"""More names than this are no metrics, but a list that was printed."""

_THOUSANDS = r"[1-9]\d{0,2}(?:,\d{3})+"
_NUMBER = rf"[-+]?(?:{_THOUSANDS}(?:\.\d*)?|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
_ALONE = r"(?=%|\.?(?:$|,(?!\d)|[\s;|()\]}'\"±]))"
_VALUE = re.compile(
    rf":[ \t]*(?:(?:tensor|(?:np\.|numpy\.)?(?:float|int)\d+)\()?({_NUMBER}){_ALONE}",
    re.MULTILINE,  # and not IGNORECASE: with it `re` does not jump from colon to colon
)
_EQUALS = re.compile(
    rf"(?<![\w.])(?P<key>[^\W\d][\w./%@-]*)=(?P<value>{_NUMBER}){_ALONE}", re.IGNORECASE | re.MULTILINE
)
_STEP = re.compile(
    rf"(?<![^\W_])(global[_ ]step|step|epoch|iteration|iter)(?:[ \t]*['\"]?[#:=\[(][ \t]*|[ \t]+)({_THOUSANDS}|\d+)"
    r"(?![\d.]*\.\d|%|\w|,\d)",
    re.IGNORECASE,
)
_GROUPED = re.compile(rf"[-+]?{_THOUSANDS}(?:\.\d*)?")
_STEP_WORDS = (b"step", b"epoch", b"iter")
_RANK = {"global_step": 0, "global step": 0, "step": 1, "iteration": 2, "iter": 2, "epoch": 3}
"""Which of several in one line is the step; the others stay metrics."""
_NUMBERED = re.compile(r"[ \t]*\[(\d+)\]\s")
_APART = re.compile(r"[\t,;|()\[\]{}<>=:\"]|\s-+\s|['\"]\s")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LEVELS = frozenset({"info", "debug", "warning", "warn", "error", "critical"})
_MOST_WORDS = 3
_LONGEST_LINE = 1 << 16
_KEY_VALUE = "key: value"
_PRESETS = (_KEY_VALUE, "key=value")

Listener = Callable[[dict[str, Any]], None]


@final
class PrintedMetrics:
    """Finds metrics in output that comes in pieces, and tells `listener` of each line that has any.

    Parameters
    ----------
    patterns : of the declaration; none: the usual. ``"key: value"`` and ``"key=value"`` are names of the built-in ones; any
        other is a regular expression with groups ``key`` and ``value``, or a group named as the metric; ``step`` is the step.

    Raises
    ------
    DeclarationError : a pattern is no regular expression, or has no group that could be a metric.
    """

    def __init__(self, listener: Listener, patterns: Sequence[str] = ()) -> None:
        self._listener = listener
        self._usual = not patterns or _KEY_VALUE in patterns
        self._patterns = [_compiled(pattern) for pattern in patterns if pattern != _KEY_VALUE]
        self._steps = all(pattern in _PRESETS for pattern in patterns)
        self._rest = b""
        self._skipping = False  # within a line that is longer than any line of metrics
        self._names: set[str] = set()
        self._step: int | None = None
        self.refused = ""  # a name that was one too many

    def feed(self, data: bytes) -> None:
        """A piece of output; a line counts once its end has come (``\\r`` ends one too, as progress bars have it)."""
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not cut:
            if len(self._rest) + len(data) <= _LONGEST_LINE and not self._skipping:
                self._rest += data
            else:
                self._rest, self._skipping = b"", True
            return
        block, rest = self._rest + data[:cut], data[cut:]
        if self._skipping:
            block = block[min(i for i in (block.find(b"\n"), block.find(b"\r")) if i >= 0) :]
        self._rest, self._skipping = (b"", True) if len(rest) > _LONGEST_LINE else (rest, False)
        self._block(block)

    def flush(self) -> None:
        """The last line, without an end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._block(rest)

    def _block(self, block: bytes) -> None:
        """Some whole lines. What has no metrics is passed over as fast as it can be looked through."""
        lowered = block.lower() if self._steps else b""
        steps_too = any(word in lowered for word in _STEP_WORDS)
        if not self._patterns and not steps_too and b":" not in block:
            return
        text = block.decode("utf-8", "replace")
        if "\r" in text:
            text = text.replace("\r", "\n")
        if "\x1b" in text:
            text = _COLOURS.sub("", text)
        hits = list(_VALUE.finditer(text)) if self._usual and ":" in text else []
        steps = list(_STEP.finditer(text)) if steps_too else []
        if self._patterns:
            for line in text.split("\n"):
                self._line(line, self._own(line))
        elif not hits:
            self._remember(text, steps)
        else:
            self._lines(text, hits, steps)

    def _lines(self, text: str, hits: list[re.Match[str]], steps: list[re.Match[str]]) -> None:
        """The lines that have values, in their order, with the steps of lines between them."""
        at, step_at = 0, 0
        while at < len(hits):
            start = text.rfind("\n", 0, hits[at].start()) + 1
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            before = step_at
            while step_at < len(steps) and steps[step_at].start() < start:
                step_at += 1
            self._remember(text, steps[before:step_at])
            before = step_at
            while step_at < len(steps) and steps[step_at].start() < end:
                step_at += 1
            first = at
            while at < len(hits) and hits[at].start() < end:
                at += 1
            pairs, cut = {}, start
            for hit in hits[first:at]:
                key = _key(text[cut : hit.start()])
                number = _number(hit[1])
                if (
                    key
                    and number is not None
                    and (hit[0][0] != ":" or hit.start(1) > hit.start() + 1 or not isinstance(number, int))
                ):
                    pairs[key] = number
                cut = hit.end()
            if pairs:
                self._line(text[start:end], pairs, steps[before:step_at])
            else:
                self._remember(text, steps[before:step_at])
        self._remember(text, steps[step_at:])

    def _remember(self, text: str, steps: list[re.Match[str]]) -> None:
        """The step that lines without one of their own have from here on: that of the last line which tells one."""
        if steps:
            start = text.rfind("\n", 0, steps[-1].start()) + 1
            self._step = _best(step for step in steps if step.start() >= start)[1]

    def _own(self, line: str) -> dict[str, int | float]:
        """What the user's own patterns find in a line."""
        found: dict[str, int | float] = {}
        if self._usual:
            cut = 0
            for hit in _VALUE.finditer(line):
                if (key := _key(line[cut : hit.start()])) and (number := _number(hit[1])) is not None:
                    found[key] = number
                cut = hit.end()
        for pattern in self._patterns:
            for match in pattern.finditer(line):
                found.update(_values(match))
        return found

    def _line(self, line: str, pairs: dict[str, int | float], steps: list[re.Match[str]] | None = None) -> None:
        """Tell what one line has: its step, and its metrics."""
        steps = list(_STEP.finditer(line)) if steps is None and self._steps and pairs else steps
        step: int | float | None = pairs.pop("step", None) if not self._steps else None
        if self._steps:
            rank = 9
            if steps:
                rank, step = _best(steps)
            elif line.startswith("[") and (told := _NUMBERED.match(line)):
                step = int(told[1])
            for name in list(pairs):
                own = _RANK.get(name.lower(), _RANK.get(name.lower().rpartition("_")[2]))
                if own is not None and isinstance(pairs[name], int) and (own == rank or step is None):
                    if step is None:
                        step = pairs[name]
                    del pairs[name]
            if step is None:
                step = self._step
            else:
                self._step = int(step)
        values: dict[str, Any] = {} if step is None else {"step": step}
        for name, value in pairs.items():
            if name not in self._names:
                if len(self._names) >= MOST_NAMES:
                    self.refused = self.refused or name
                    continue
                self._names.add(name)
            values[name] = value
        if len(values) > ("step" in values):
            self._listener(values)


def _best(steps: Iterable[re.Match[str]]) -> tuple[int, int]:
    """Rank and number of the step among those of one line."""
    return min((_RANK[step[1].lower()], int(step[2].replace(",", ""))) for step in steps)


def _key(text: str) -> str:
    """The key at the end of what stands before a colon, "" where it is none.

    >>> _key("val loss"), _key("10/10 - 5ms/step - val_acc"), _key("The final model has loss"), _key("INFO valid_0's auc")
    ('val_loss', 'val_acc', '', 'valid_0_auc')
    """
    if (word := text.strip()).isidentifier():
        return word
    text = text.rpartition("\n")[2]
    quote = text[-1:]
    if quote in ("'", '"'):
        begin = text.rfind(quote, 0, -1)
        return "" if begin < 0 else "_".join(text[begin + 1 : -1].split())
    if text[-160:] != text:
        text = text[-160:].partition(" ")[2]
    text = _APART.split(text)[-1]
    words: list[str] = []
    for word in reversed(text.split()):
        if not (word[0].isalpha() or word[0] == "_") or word[-1] in ".!?":
            break
        words.append(word)
    if words and words[-1].lower() in _LEVELS:
        words.pop()
    if len(words) > _MOST_WORDS:
        return ""
    return "_".join(word.removesuffix("'s") for word in reversed(words))


def _values(match: re.Match[str]) -> list[tuple[str, int | float]]:
    """Names and numbers of a match of the user's own pattern."""
    groups = match.groupdict()
    pairs = (
        [(groups.pop("key", None), groups.pop("value", None)), *groups.items()] if groups else [(match[1], match[2])]
    )
    return [
        (name.strip(), number)
        for name, text in pairs
        if name and text is not None and (number := _number(text)) is not None
    ]


def _number(text: str) -> int | float | None:
    if "," in text and _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        if text.lstrip("+-").isdigit():
            return int(text)
        return float(text)
    except ValueError:  # a pattern of the user's own took what is no number
        return None


def check_patterns(patterns: Iterable[str]) -> None:
    """Refuse, before anything runs, patterns that cannot work. Raises: DeclarationError."""
    for pattern in patterns:
        if pattern != _KEY_VALUE:
            _compiled(pattern)


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern == "key=value":
        return _EQUALS
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DeclarationError(
            f"the pattern of metrics {pattern!r} is no regular expression",
            why=str(error),
            way_out="correct it in penstock.toml under [run] metrics",
        ) from error
    names = set(compiled.groupindex)
    if ({"key", "value"} <= names) or (names - {"key", "value", "step"}) or (not names and compiled.groups == 2):
        return compiled
    raise DeclarationError(
        f"the pattern of metrics {pattern!r} names no metric",
        why="it needs the groups (?P<key>...) and (?P<value>...), or a group that is named as the metric",
        way_out=r"write for example 'loss is (?P<loss>\S+)', or one of the built-in: " + ", ".join(map(repr, _PRESETS)),
    )
