"""Ask a script which flags it has: run it up to where it reads its command line, and end it there.

    python penstock_ask.py OUT first|last train.py       OUT: the file for the answer, as JSON
    python penstock_ask.py OUT first|last -m pkg.train

`last`: a first look with `parse_known_args` is answered with the defaults, as what it gives may decide on further flags; the
script is ended at `parse_args`. Only the standard library is used; click and typer are asked where the script has them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

import penstock_values

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is not loaded for it
    from typing import Any, NoReturn

SHORT = 60


class Teller:
    """Collects what parsers tell, and writes the answer."""

    def __init__(self, out: str, until: str) -> None:
        self.out = out
        self.until = until
        self.found: list[dict[str, Any]] = []

    def end(self) -> NoReturn:
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        body = {"found": self.found, "files": sorted(f for f in files if isinstance(f, str))}
        draft = self.out + ".draft"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(body, file, default=str)
        os.replace(draft, self.out)
        sys.stdout.flush()
        os._exit(0)

    def install(self) -> None:
        """Put ourselves where command lines are read."""
        kind: Any = argparse.ArgumentParser
        tell = self
        known = kind.parse_known_args

        def parse_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
            tell.found.append({"kind": "argparse", "parser": parser_of(self)})
            tell.end()

        def parse_known_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
            tell.found.append({"kind": "argparse", "parser": parser_of(self)})
            if tell.until == "first":
                tell.end()
            try:
                return known(self, [], namespace)
            except SystemExit:
                tell.end()

        kind.parse_args = kind.parse_intermixed_args = parse_args
        kind.parse_known_args = kind.parse_known_intermixed_args = parse_known_args
        for name in ("click.core", "typer._click.core"):
            self.install_click(name)

    def install_click(self, name: str) -> None:
        try:
            core = __import__(name, fromlist=["Command"])
        except ImportError:
            return
        tell = self

        def main(self: Any, *args: Any, **kwargs: Any) -> Any:
            tell.found.append({"kind": name.partition(".")[0], "command": command_of(self, core)})
            tell.end()

        for kind in ("Command", "BaseCommand", "Group", "MultiCommand"):
            known = vars(core).get(kind)  # looked up so, an old name warns of nothing
            if known is not None and "main" in vars(known):
                known.main = main
        if name.startswith("typer"):
            import typer.core

            for own in (typer.core.TyperCommand, typer.core.TyperGroup):
                own.main = main  # type: ignore[method-assign]


def parser_of(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """What an argparse parser says of its flags."""
    arguments = []
    for action in parser._actions:
        kind = type(action).__name__
        if kind in ("_HelpAction", "_VersionAction"):
            continue
        default = parser.get_default(action.dest) if action.dest else action.default
        entry = {
            "dest": action.dest,
            "options": list(action.option_strings),
            "nargs": action.nargs,
            "kind": kind,
            "type": type_name(action.type),
            "help": None if action.help in (None, argparse.SUPPRESS) else str(action.help),
            "required": bool(action.required),
            "default": value(None if default is argparse.SUPPRESS else default),
        }
        if isinstance(action, argparse._SubParsersAction):
            entry["parsers"] = {name: parser_of(sub) for name, sub in action.choices.items()}
        elif action.choices is not None:
            entry["choices"] = value(list(action.choices)[:500])
        arguments.append(entry)
    return {"arguments": arguments}


def command_of(command: Any, core: Any) -> dict[str, Any]:
    """What a click command or group says of its flags."""
    context = core.Context(command, info_name=command.name or "main", resilient_parsing=True)
    params = []
    for param in command.params:
        default = param.default
        if type(default).__name__ == "Sentinel" or default is Ellipsis:  # "not set", in newer releases
            default = None
        kind, choices = type_of_param(param)
        params.append(
            {
                "name": param.name,
                "argument": getattr(param, "param_type_name", "option") == "argument",
                "options": list(param.opts),
                "off": list(param.secondary_opts),
                "type": kind,
                "choices": None if choices is None else value(list(choices)),
                "bounds": bounds_of(getattr(param, "type", None)),
                "default": value(default),
                "help": getattr(param, "help", None),
                "required": bool(param.required) or (bool(getattr(param, "prompt", None)) and default is None),
                "multiple": bool(getattr(param, "multiple", False)),
                "nargs": param.nargs,
                "is_flag": bool(getattr(param, "is_flag", False)),
                "flag_value": value(getattr(param, "flag_value", None)),
                "count": bool(getattr(param, "count", False)),
            }
        )
    body: dict[str, Any] = {"params": params}
    if hasattr(command, "list_commands"):
        children = {name: command.get_command(context, name) for name in command.list_commands(context)}
        body["commands"] = {name: command_of(child, core) for name, child in children.items() if child is not None}
        body["alone"] = bool(getattr(command, "invoke_without_command", False))
    return body


def bounds_of(kind: Any) -> Any:
    """The ends of a range, whether they are open, and whether numbers beyond them are moved to them."""
    if getattr(kind, "min", None) is None and getattr(kind, "max", None) is None:
        return None
    return [getattr(kind, name, None) for name in ("min", "max", "min_open", "max_open", "clamp")]


def type_of_param(param: Any) -> tuple[str, Any]:
    """The name of a parameter's type and its choices. Newer releases of typer keep the annotation in the place of a type."""
    kind = getattr(param, "type", None)
    if kind is not None:
        return str(getattr(kind, "name", "text")), getattr(kind, "choices", None)
    annotation: Any = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    while getattr(annotation, "__args__", None) and getattr(annotation, "__origin__", None) is not literal():
        annotation = annotation.__args__[0]
    if getattr(annotation, "__origin__", None) is literal() and annotation is not None:
        return "choice", list(annotation.__args__)
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return "choice", [member.value for member in annotation.__members__.values()]
    name = getattr(annotation, "__name__", "str")
    return {"int": "integer", "bool": "boolean"}.get(name, name), None


def literal() -> Any:
    from typing import Literal

    return Literal


def type_name(kind: Any) -> str | None:
    if kind is None:
        return None
    return str(getattr(kind, "__name__", type(kind).__name__))


def value(default: Any) -> dict[str, Any]:
    """{"value": ...} where JSON has a word for it, else {"text": ...}."""
    if isinstance(default, os.PathLike):
        default = os.fspath(default)
    if type(default).__module__ == "numpy" and hasattr(default, "item"):
        default = default.item()
    if hasattr(default, "value") and type(type(default)).__name__ in ("EnumMeta", "EnumType"):
        default = default.value
    if callable(default):
        return {"text": getattr(default, "__name__", "computed") + "()"}
    if default is None or isinstance(default, (bool, int, float, str)):
        return {"value": default}
    if isinstance(default, (list, tuple, set, range)):
        items = [value(item) for item in default]
        if all("value" in item for item in items):
            return {"value": [item["value"] for item in items]}
    return {"text": repr(default)[:SHORT]}


def main() -> None:
    out, until, *words = sys.argv[1:]
    teller = Teller(out, until)
    teller.install()
    if words[0] == "-m":
        sys.argv = [words[1]]
        penstock_values.run_module(words[1])
    else:
        sys.argv = [words[0]]
        penstock_values.run_file(words[0], {})


if __name__ == "__main__":
    main()
