"""Flags that only the script itself can tell: it is run up to where it reads its command line, and what it tells is kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from penstock.experiments.capture.target import Target
from penstock.experiments.flags.flag import Flag, FlagType, bounds_of

INSIDE = Path(__file__).parent.parent / "inside"
TIMEOUT_S = 60.0
_FORMAT = 1
_ARGPARSE: dict[str, FlagType] = {"int": "int", "float": "float", "bool": "bool", "str": "str"}
_CLICK: dict[str, FlagType] = {
    "integer": "int",
    "integer range": "int",
    "float": "float",
    "float range": "float",
    "boolean": "bool",
}


class NoAnswer(Exception):
    """The script did not tell its flags; the text says why."""


def ask(target: Target, *, cwd: Path, python: str | None, until: str, cache: Path | None) -> list[Flag]:
    """The flags that a script tells itself, or told when it and the files it imports were as they are now.

    Raises
    ------
    NoAnswer : it failed before, took too long, or never read its command line.
    """
    python = python or sys.executable
    place = None if cache is None else cache / f"{_key(target, python, until)}.json"
    body = None if place is None else _known(place)
    if body is None:
        body = _asked(target, cwd, python, until)
        if place is not None:
            _keep(place, body, target)
    flags: dict[tuple[str, tuple[str, ...]], Flag] = {}
    for told in body["found"]:
        made = (
            _argparse(told["parser"], (), target)
            if told["kind"] == "argparse"
            else _click(told["command"], (), told["kind"], target)
        )
        flags.update({(flag.name, flag.under): flag for flag in made})
    return list(flags.values())


def _asked(target: Target, cwd: Path, python: str, until: str) -> dict[str, Any]:
    """Run the script in a process of its own, of which nothing is left."""
    words = ["-m", str(target.module)] if target.kind == "module" else [str(target.path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # to ask leaves nothing beside the user's files
    with tempfile.TemporaryDirectory(prefix="penstock-ask-") as folder:
        out = Path(folder) / "answer.json"
        with (Path(folder) / "said").open("w+b") as said:
            child = subprocess.Popen(
                [python, str(INSIDE / "penstock_ask.py"), str(out), until, *words],
                cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
            )  # fmt: skip
            try:
                child.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise NoAnswer(f"it did not read its command line within {TIMEOUT_S:.0f} s") from None
            finally:
                with contextlib.suppress(ProcessLookupError):  # nothing is left of it
                    os.killpg(child.pid, signal.SIGKILL)  # with whatever it started
                child.wait()
            if out.is_file():
                body: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
                return body
            said.seek(0)
            lines = said.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    if child.returncode < 0:
        raise NoAnswer(f"it was ended by signal {-child.returncode}")
    if child.returncode:
        said_last = lines[-1] if lines else f"exit status {child.returncode}"
        raise NoAnswer(f"it ended before it read its command line: {said_last}")
    raise NoAnswer("it ended without reading its command line")


# ---- what it told is kept


def _key(target: Target, python: str, until: str) -> str:
    words = [str(_FORMAT), target.kind, str(target.path), str(target.module), python, until]
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _known(place: Path) -> dict[str, Any] | None:
    """What is kept, where every file that it depends on is as it was."""
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        if all(_digest(Path(path)) == digest for path, digest in kept["digests"].items()):
            body: dict[str, Any] = kept["body"]
            return body
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing, or nothing that can be used: the script is asked again
    return None


def _keep(place: Path, body: dict[str, Any], target: Target) -> None:
    own = [
        f
        for f in body.get("files", ())
        if "site-packages" not in f and not f.startswith((sys.base_prefix, str(INSIDE)))
    ]
    files = {str(target.path), *own} if target.path else set(own)
    digests = {file: _digest(Path(file)) for file in sorted(files)}
    text = json.dumps({"digests": digests, "body": {"found": body["found"]}})
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(place)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


# ---- as flags


def _default(told: dict[str, Any]) -> tuple[Any, str]:
    """(default, expression of a default that has no plain value)."""
    return (told["value"], "") if "value" in told else (None, str(told.get("text", "computed")))


def _argparse(parser: dict[str, Any], under: tuple[str, ...], target: Target) -> list[Flag]:
    flags: dict[str, Flag] = {}
    inner: list[Flag] = []
    for told in parser["arguments"]:
        flag, nested = _argument(told, under, target)
        earlier = flags.get(flag.name)
        if earlier is not None and earlier.how == flag.how == "switch":
            option, off = earlier.option or flag.option, earlier.off or flag.off
            flag = Flag(**{**earlier.__dict__, "option": option, "off": off})
        flags[flag.name] = flag
        inner += nested
    return [*flags.values(), *inner]


def _argument(told: dict[str, Any], under: tuple[str, ...], target: Target) -> tuple[Flag, list[Flag]]:
    options, kind, nargs = told["options"], told["kind"], told["nargs"]
    default, computed = _default(told["default"])
    long = [option for option in options if option.startswith("--")]
    name = (
        told["dest"] if told["dest"] not in (None, "==SUPPRESS==") else (f"{under[-1]}_command" if under else "command")
    )
    common: dict[str, Any] = {
        "help": " ".join((told["help"] or "").replace("%(default)s", str(default)).replace("%%", "%").split()),
        "origin": f"argparse, told by {target.name}",
        "required": told["required"],
        "under": under,
        "computed": computed,
        "aliases": tuple(a for o in options if (a := o.lstrip("-").replace("-", "_")) != name),
        "option": (long or options or [None])[0],
    }
    if "parsers" in told:
        common |= {"option": None, "computed": ""}
        choice = Flag(name, "str", choices=tuple(told["parsers"]) or None, how="subcommand", **common)
        inner = [f for key, sub in told["parsers"].items() for f in _argparse(sub, (*under, key), target)]
        return choice, inner
    if kind in (
        "_StoreTrueAction",
        "_StoreFalseAction",
        "BooleanOptionalAction",
        "_StoreConstAction",
        "_AppendConstAction",
    ):
        if "Const" in kind:
            own = (common["option"] or name).lstrip("-").replace("-", "_")
            return Flag(own, "bool", False, how="switch", **{**common, "computed": ""}), []
        off = common["option"] if kind == "_StoreFalseAction" else None
        if kind == "BooleanOptionalAction":
            off = next((o for o in options if o.startswith("--no-")), None)
        common["option"] = None if kind == "_StoreFalseAction" else common["option"]
        return Flag(name, "bool", default, how="switch", off=off, **common), []
    if nargs == 0 and kind != "_CountAction":  # an action of the user's own that takes no word
        return Flag(name, "bool", bool(default), how="switch", **{**common, "computed": ""}), []
    if kind == "_CountAction":
        return Flag(name, "int", default or 0, arity="count", **common), []
    type_ = _ARGPARSE.get(told["type"] or "", "any" if _numbers(default) else "str")
    if told["type"] not in (None, *_ARGPARSE) and (isinstance(default, bool) or "bool" in told["type"].lower()):
        type_ = "bool"
    many = nargs in ("*", "+", "...", "A...") or isinstance(nargs, int) or kind in ("_AppendAction", "_ExtendAction")
    arity = (
        "append"
        if kind == "_AppendAction"
        else ""
        if nargs is None
        else "*"
        if nargs in ("...", "A...")
        else str(nargs)
    )
    choices = told.get("choices", {}).get("value")
    if not options and nargs in ("?", "*", "..."):
        common["required"] = False
        default = [] if nargs != "?" and default is None and not computed else default
    return Flag(
        name,
        type_,
        float(default) if type_ == "float" and isinstance(default, int) else default,
        choices=tuple(choices) if choices else None,
        how="option" if options else "positional",
        multiple=many,
        arity=arity,
        spelling=("", "True") if told["type"] == "bool" else ("False", "True"),
        **common,
    ), []


def _numbers(default: Any) -> bool:
    """Whether a default is a number, or a list of them: then the flag's words may be numbers too."""
    if isinstance(default, list):
        return bool(default) and all(isinstance(item, int | float) for item in default)
    return isinstance(default, int | float)


def _click(command: dict[str, Any], under: tuple[str, ...], library: str, target: Target) -> list[Flag]:
    flags = [_param(told, under, library, target) for told in command["params"]]
    flags = [flag for flag in flags if flag.name not in ("help", "version", "install_completion", "show_completion")]
    if "commands" not in command:
        return flags
    choice = Flag(
        f"{under[-1]}_command" if under else "command",
        "str",
        choices=tuple(command["commands"]) or None,
        origin=f"{library}, told by {target.name}",
        how="subcommand",
        required=not command["alone"],
        under=under,
    )
    inner = [f for key, sub in command["commands"].items() for f in _click(sub, (*under, key), library, target)]
    return [*flags, choice, *inner]


def _param(told: dict[str, Any], under: tuple[str, ...], library: str, target: Target) -> Flag:
    default, computed = _default(told["default"])
    choices = (told["choices"] or {}).get("value")
    long = [option for option in told["options"] if option.startswith("--")]
    type_ = _CLICK.get(told["type"], "str")
    common: dict[str, Any] = {
        "help": " ".join((told["help"] or "").split()),
        "origin": f"{library}, told by {target.name}",
        "under": under,
        "required": told["required"],
        "computed": computed,
        "bounds": bounds_of(*told.get("bounds") or (None, None)),
    }
    if told["argument"]:
        many = told["nargs"] != 1
        arity = ("+" if told["required"] else "*") if told["nargs"] == -1 else str(told["nargs"]) if many else ""
        return Flag(
            told["name"],
            type_,
            default,
            choices=tuple(choices) if choices else None,
            how="positional",
            multiple=many,
            arity=arity,
            **common,
        )
    common["aliases"] = tuple(a for o in told["options"] if (a := o.lstrip("-").replace("-", "_")) != told["name"])
    common["option"] = (long or told["options"] or [None])[0]
    if told["count"]:
        return Flag(told["name"], "int", default or 0, arity="count", **common)
    if told["is_flag"] or told["off"]:
        value = (told["flag_value"] or {}).get("value")
        if told["is_flag"] and not isinstance(value, bool) and value is not None:
            own = (common["option"] or told["name"]).lstrip("-").replace("-", "_")
            return Flag(own, "bool", False, how="switch", **{**common, "computed": ""})
        off = next((o for o in told["off"] if o.startswith("--")), told["off"][0] if told["off"] else None)
        return Flag(told["name"], "bool", bool(default), how="switch", off=off, **common)
    many = told["multiple"] or told["nargs"] != 1
    arity = "append" if told["multiple"] else str(told["nargs"]) if many else ""
    return Flag(
        told["name"], type_, default, choices=tuple(choices) if choices else None, multiple=many, arity=arity, **common
    )
