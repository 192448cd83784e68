"""All flags of one script: words are assigned to them, defaults fill the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from penstock.errors import FlagError
from penstock.experiments.flags.flag import MASK, Flag
from penstock.experiments.flags.values import same, show

WIDTH = 120
LEAST_HELP = 12


@dataclass(frozen=True)
class FlagSet:
    """The flags of a script, a module, a notebook or a command.

    Attributes
    ----------
    flags : in the order in which the script has them.
    open : any other name is taken too and passed as ``--name value``: what a command takes, nobody can tell.
    found_in : how they were found: "argparse", "click", "typer", "globals", "parameters cell" ...
    notes : what a person should know about the finding.
    script : the name of what has them.
    plain : the command line that runs it without Penstock, where it may read its words by their places; "" where it has a parser.
    """

    flags: tuple[Flag, ...] = ()
    open: bool = False
    found_in: str = ""
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    script: str = ""
    plain: str = ""

    def __iter__(self) -> Iterator[Flag]:
        return iter(self.flags)

    def __len__(self) -> int:
        return len(self.flags)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    @cached_property
    def _named(self) -> dict[str, list[Flag]]:
        """Every way to write a name -> the flags it may mean; the exact names first."""
        found: dict[str, list[Flag]] = {}
        for key in (lambda n: n, _plain, lambda n: _plain(n).lower()):
            layer: dict[str, list[Flag]] = {}
            for flag in self.flags:
                for name in dict.fromkeys(key(n) for n in (flag.name, *flag.aliases)):
                    layer.setdefault(name, []).append(flag)
            for name, flags in layer.items():
                if len({flag.name for flag in flags}) == 1:
                    found.setdefault(name, flags)
        return found

    def get(self, name: str) -> Flag | None:
        """The flag of a name; ``learning-rate``, ``learning_rate`` and an alias mean the same. None where there is none."""
        flags = self._candidates(name)
        return flags[0] if flags else None

    def find(self, name: str) -> Flag:
        """As `get`; of an open set, a flag that is made up for the name.

        Raises
        ------
        FlagError : there is no such flag; names the nearest.
        """
        return self._pick(name, {})

    def _candidates(self, name: str) -> list[Flag]:
        for key in (name, _plain(name), _plain(name).lower()):
            if key in self._named:
                return self._named[key]
        return []

    def _pick(self, name: str, chosen: Mapping[str, Any]) -> Flag:
        """The flag of a name; where several subcommands have one, that of the chosen subcommand."""
        flags = self._candidates(name)
        for flag in flags:
            if len(flags) == 1 or self._reached(flag, chosen):
                return flag
        if flags:
            return flags[0]
        if self.open:
            from penstock.experiments.capture.secrets import Masker

            secret = Masker(self.secrets).is_secret(name)
            return Flag(name, option=f"--{name}", origin="given", secret=secret, spelling=("false", "true"))
        raise self._unknown(name)

    def assign(self, words: Sequence[str]) -> dict[str, Any]:
        """The values that words such as ``lr=0.1`` give, typed and checked, under the flags' own names.

        Raises
        ------
        FlagError : a word is no flag, its flag is unknown (the nearest is named) or given twice, or its value does not suit.
        """
        pairs = [self._split(word) for word in words]
        chosen = self._chosen(pairs)
        found: dict[str, Any] = {}
        for name, text in pairs:
            flag = self._pick(name, chosen)
            if flag.name in found:
                raise FlagError(
                    f"the flag {flag.name!r} is given twice",
                    why="which of the two counts cannot be told",
                    way_out=f"keep one{', or put all its values in one list' if flag.multiple else ''}",
                )
            found[flag.name] = flag.read(text)
        return found

    def meant(self, name: str, words: Sequence[str]) -> Flag:
        """The flag that a name means beside these words, one of which may choose a subcommand.

        Raises
        ------
        FlagError : there is no such flag, or it is not written as one.
        """
        own, _ = self._split(f"{name}=")
        return self._pick(own, self._chosen([self._split(word) for word in words]))

    def _chosen(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """The subcommands that names and texts choose."""
        commands = {f.name for f in self.flags if f.how == "subcommand"}
        named = [(self._candidates(name), text) for name, text in pairs]
        return {flags[0].name: text for flags, text in named if flags and flags[0].name in commands}

    def take(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As `assign`, from values instead of words: those of an earlier run.

        Raises
        ------
        FlagError : as `assign`.
        """
        commands = {f.name for f in self.flags if f.how == "subcommand"}
        chosen = {name: value for name, value in values.items() if name in commands}
        return {flag.name: flag.check(value) for name, value in values.items() for flag in [self._pick(name, chosen)]}

    def values(self, assigned: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The values of all flags: those assigned, and the defaults of the others.

        Left out are flags of subcommands that were not chosen, and those whose default is known only when the script runs.

        Raises
        ------
        FlagError : a flag that must be given is not, or one belongs to a subcommand that was not chosen.
        """
        given = dict(assigned or {})
        found: dict[str, Any] = {}
        for flag in self.reached(given):
            if flag.name in given:
                found[flag.name] = flag.check(given[flag.name])
            elif flag.required:
                raise self._required(flag)
            elif not flag.computed:
                found[flag.name] = flag.default
        for name, value in given.items():
            if name in found:
                continue
            flag = self._pick(name, given)
            if flag.under and not self.open:
                raise self._elsewhere(flag, given)
            found[flag.name] = flag.check(value)
        return found

    def at_default(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether the script would take this value of a flag anyway, where nothing is passed."""
        flag = next((own for own in self.reached(values) if own.name == name), None) or self.find(name)
        return not (flag.required or flag.passed or flag.computed) and same(flag.default, values[name])

    def reached(self, values: Mapping[str, Any]) -> list[Flag]:
        """The flags that count with these values: all but those of subcommands that were not chosen."""
        return [flag for flag in self.flags if self._reached(flag, values)]

    def _reached(self, flag: Flag, values: Mapping[str, Any]) -> bool:
        return flag.under == self._chain(values)[: len(flag.under)]

    def _chain(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The chosen subcommands, outermost first."""
        chain: tuple[str, ...] = ()
        commands = [flag for flag in self.flags if flag.how == "subcommand"]
        while True:
            level = next((flag for flag in commands if flag.under == chain), None)
            value = None if level is None else values.get(level.name, level.default)
            if value is None:
                return chain
            chain = (*chain, str(value))

    def declare(self, flags: Sequence[Flag]) -> FlagSet:
        """One with these flags in the place of those of the same name, and behind them."""
        own = {flag.name: flag for flag in flags}
        kept = [own.pop(flag.name, flag) for flag in self.flags]
        return replace(self, flags=(*kept, *own.values()))

    def table(self, assigned: Mapping[str, Any] | None = None, *, width: int = WIDTH) -> str:
        """Name, value, where it comes from and its help, for a person; one line per flag. Help is cut to fit in `width` letters."""
        given = dict(assigned or {})
        rows = [_row(flag, given) for flag in self.reached(given)]
        known = {flag.name for flag in self.flags}
        rows += [_row(self._pick(name, given), given) for name in given if name not in known]
        if not rows:
            return "  no flags"
        widths = [min(max(len(row[i]) for row in rows), limit) for i, limit in enumerate((40, 60, 50))]
        lines = []
        for name, value, source, help_ in rows:
            line = f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {source:<{widths[2]}}"
            lines.append(f"{line}  {_cut(help_, width - len(line) - 2)}".rstrip())
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "flags": [flag.to_json() for flag in self.flags],
            "open": self.open,
            "found_in": self.found_in,
            "notes": list(self.notes),
        }

    def _unknown(self, name: str) -> FlagError:
        import difflib

        names = [flag.name for flag in self.flags]
        every = {alias: flag.name for flag in self.flags for alias in (flag.name, *flag.aliases)}
        lowered = {_plain(alias).lower(): own for alias, own in every.items()}
        near = difflib.get_close_matches(_plain(name).lower(), lowered, 1, 0.6)
        known = (
            ", ".join(dict.fromkeys(names))
            if len(names) <= 40
            else ", ".join(names[:40]) + f" and {len(names) - 40} more"
        )
        return FlagError(
            f"there is no flag {name!r}",
            why=f"known are {known}" if names else (self.notes[0] if self.notes else "no flags were found in it"),
            way_out=f"did you mean {lowered[near[0]]}?"
            if near
            else f'check the name, or declare the flag in penstock.toml under [scripts."{self.script or "NAME"}".flags]',
        )

    def _split(self, word: str) -> tuple[str, str]:
        name, equals, text = word.partition("=")
        if equals and name.strip() and not name.startswith("-"):
            return name.strip(), text
        bare = name.lstrip("-").strip()
        if word.startswith("-") and bare:
            raise FlagError(
                f"{name!r} is not how a flag is written",
                why="flags of a script are written name=value, without dashes",
                way_out=f"write {bare}={text if equals else '...'}" + self._as_it_stands(word),
            )
        script = self.script or "SCRIPT"
        raise FlagError(
            f"{word!r} is no flag",
            why="what follows the script are its flags, each written name=value",
            way_out=(
                f"write {named}={word}"
                if (named := next((flag.name for flag in self.flags if word in (flag.choices or ())), None))
                else f"write NAME={bare or text or '...'}, with the name of the flag before it; what it has shows `penstock run {script}`"
            )
            + self._as_it_stands(word),
        )

    def _as_it_stands(self, word: str) -> str:
        """How the words of a script that has no parser are handed to it as they are."""
        from shlex import quote

        return f"; or hand words on as they stand: `penstock run -- {self.plain} {quote(word)}`" if self.plain else ""

    def _required(self, flag: Flag) -> FlagError:
        example = f"{flag.name}={show(flag.choices[0])}" if flag.choices else f"{flag.name}=..."
        return FlagError(
            f"the flag {flag.name!r} must be given",
            why=f"it has no default ({flag.origin})" + (f": {flag.help}" if flag.help else ""),
            way_out=f"add {example}",
        )

    def _elsewhere(self, flag: Flag, given: Mapping[str, Any]) -> FlagError:
        chain = self._chain(given)
        level = len([1 for a, b in zip(chain, flag.under, strict=False) if a == b])
        command = next(
            (f.name for f in self.flags if f.how == "subcommand" and f.under == flag.under[:level]), "command"
        )
        return FlagError(
            f"the flag {flag.name!r} belongs to the subcommand {' '.join(flag.under)!r}",
            why=f"chosen is {' '.join(chain)!r}" if chain else "no subcommand is chosen",
            way_out=f"add {command}={flag.under[level]}"
            if level >= len(chain)
            else f"write {command}={flag.under[level]}",
        )


def _cut(help_: str, letters: int) -> str:
    """A help that fits; nothing where there is no room to say anything.

    >>> _cut("how fast it learns", 40), _cut("how fast it learns", 15), _cut("how fast it learns", 5)
    ('how fast it learns', 'how fast it ...', '')
    """
    if len(help_) <= letters:
        return help_
    return f"{help_[: letters - 3]}..." if letters >= LEAST_HELP else ""


def _row(flag: Flag, given: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Name, value, source and help."""
    indent = "  " * len(flag.under)
    limits = f", one of {', '.join(show(c) for c in flag.choices)}" if flag.choices and len(flag.choices) <= 8 else ""
    limits += f", {flag.bounds.words}" if flag.bounds is not None else ""
    if flag.name in given:
        value = MASK if flag.secret else show(given[flag.name])
        if flag.origin in ("given", ""):
            source = "given"
        elif flag.required or flag.computed or flag.secret:
            source = f"given ({flag.origin})"
        else:
            source = f"given; {show(flag.default)} in {flag.origin}"
    elif flag.computed:
        value, source = "", f"{flag.computed} in {flag.origin}"
    elif flag.required:
        value, source = "?", f"must be given; {flag.origin}"
    else:
        value = MASK if flag.secret and flag.default not in (None, "") else show(flag.default)
        source = flag.origin
    return indent + flag.name, value if len(value) <= 60 else value[:57] + "...", source + limits, flag.help


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_")
