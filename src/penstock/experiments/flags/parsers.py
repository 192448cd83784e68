"""Which parser a file ends up asking, and the flags of it."""

from __future__ import annotations

from penstock.experiments.flags.files import Files
from penstock.experiments.flags.flag import Flag
from penstock.experiments.flags.from_argparse import flags_of_parser
from penstock.experiments.flags.from_click import flags_of_click
from penstock.experiments.flags.from_typer import flags_of_app, flags_of_function
from penstock.experiments.flags.module import Module
from penstock.experiments.flags.reader import Reader
from penstock.experiments.flags.things import Called, Function, Parser, TyperApp


def flags_of_module(module: Module, files: Files) -> tuple[list[Flag], str, list[str]]:
    """(flags, library, doubts) of a file that is run. The library is "" where it asks for no command line."""
    reader = Reader(files)
    entry = reader.run(module)
    doubts = reader.doubts
    if entry is None:
        entry = _unasked(reader, module)
    if isinstance(entry, Parser):
        found: dict[tuple[str, tuple[str, ...]], Flag] = {}
        for parser in [p for p in reader.parsers if p.root and p.parsed and p is not entry] + [entry]:
            found.update({(flag.name, flag.under): flag for flag in flags_of_parser(parser)})
        return list(found.values()), "argparse", doubts
    if isinstance(entry, TyperApp):
        return flags_of_app(entry, reader), "typer", reader.doubts
    if isinstance(entry, Function):
        if any(isinstance(d, Called) and d.name.startswith("typer.") for d in entry.decorators) or not entry.decorators:
            return flags_of_function(entry, reader), "typer", reader.doubts
        return flags_of_click(entry, doubts), "click", doubts
    return [], "", doubts


def _unasked(reader: Reader, module: Module) -> Parser | TyperApp | Function | None:
    """What would be asked, where the file itself only makes it: a parser that looked at some of its flags, or the one command."""
    parsed = [parser for parser in reader.parsers if parser.root and parser.parsed]
    if parsed:
        return parsed[-1]
    own = [f for f in reader.functions if f.env.module is module]
    nested = {id(child) for f in reader.functions for _, child in f.children}
    clicks = [
        f
        for f in own
        if id(f) not in nested and any(isinstance(d, Called) and not d.name.startswith("typer.") for d in f.decorators)
    ]
    if len(clicks) == 1 and not reader.apps and reader.doubts:
        return clicks[0]
    return None
