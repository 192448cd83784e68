"""What is secret, and how it is kept out of everything that is recorded: names, values, and the shapes of well-known tokens.

Three nets, one behind the other. A flag or variable with a secret *name* (``API_KEY``, ``--db-password``) is recorded as
``***``. Its *value* is replaced wherever else it turns up: in printed output, error texts, command lines, diffs. And what
has the *shape* of a well-known token (``ghp_...``, ``AKIA...``, a JWT, a private key, the password within a URL) is replaced
even where nobody said that it is secret.

What it cannot see: a secret that is printed in pieces, encrypted or reversed; and the user's own source, which is kept byte
for byte (files that look like keys are left out of it, see `penstock.experiments.capture.source`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, final

MASK = "***"
_MASK = MASK.encode()

# ---- names

_ANYWHERE = (
    "password", "passwd", "passphrase", "secret", "apikey", "credential", "privatekey", "accesskey", "secretkey", "signingkey",
    "encryptionkey", "authkey", "accountkey", "sharedkey", "connectionstring", "authorization", "bearer", "oauth", "sessioncookie",
)  # fmt: skip
"""In a name without its separators, these make it secret."""

_TOKEN_OF_A_MODEL = frozenset((
    "n", "num", "number", "max", "min", "avg", "mean", "total", "per", "pad", "eos", "bos", "unk", "mask", "cls",
    "sep", "special", "start", "end", "stop", "next", "first", "last", "new", "add", "added", "dim", "dims", "size",
    "length", "len", "count", "counts", "limit", "type", "types", "id", "ids", "idx", "index", "embedding",
    "embeddings", "embed", "dropout", "budget", "level", "pooling", "mixing", "ratio", "rate", "weight", "merge",
    "prob", "vocab", "class", "word", "sub", "byte", "char", "image", "patch", "text", "label", "model", "sequence",
    "seq", "input", "output", "pattern",
))  # fmt: skip
"""Beside these words, ``token`` is a piece of a text and no key: ``pad_token``, ``token_dim``."""

_BEFORE_PASS = frozenset((
    "db", "user", "smtp", "mysql", "pg", "postgres", "ftp", "http", "redis", "admin", "root", "mail", "email", "mongo", "ldap",
    "proxy", "jdbc",
))  # fmt: skip
_BEFORE_PAT = frozenset(("github", "gitlab", "gh", "gl", "azure", "ado", "devops"))
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})


def is_secret_name(name: str) -> bool:
    """Whether a flag or variable of this name is taken for a secret.

    >>> [is_secret_name(n) for n in ("API_KEY", "dbPassword", "--auth-token", "HF_TOKEN", "aws_secret_access_key")]
    [True, True, True, True, True]
    >>> [is_secret_name(n) for n in ("lr", "max_tokens", "pad_token", "tokenizer", "author", "key", "PWD", "n_passes")]
    [False, False, False, False, False, False, False, False]
    """
    if name in _NO_SECRETS:
        return False
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    joined = "".join(words)
    if any(part in joined for part in _ANYWHERE):
        return True
    for i, word in enumerate(words):
        around = {*words[max(0, i - 1) : i], *words[i + 1 : i + 2]}
        if word in ("token", "tokens", "jwt") and not around & _TOKEN_OF_A_MODEL and (word != "tokens" or around):
            return True
        if word in ("pwd", "passcode"):
            return True
        if word == "pass" and (len(words) == 1 or around & _BEFORE_PASS):
            return True
        if word == "pat" and around & _BEFORE_PAT:
            return True
    return bool(words) and words[-1] == "auth"


# ---- shapes

_SHAPES: tuple[tuple[str, str], ...] = (
    ("AKIA", r"AKIA[0-9A-Z]{16}"),
    ("ASIA", r"ASIA[0-9A-Z]{16}"),
    ("ghp_", r"ghp_[A-Za-z0-9]{30,255}"),
    ("gho_", r"gho_[A-Za-z0-9]{30,255}"),
    ("ghu_", r"ghu_[A-Za-z0-9]{30,255}"),
    ("ghs_", r"ghs_[A-Za-z0-9]{30,255}"),
    ("ghr_", r"ghr_[A-Za-z0-9]{30,255}"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("glpat-", r"glpat-[A-Za-z0-9_-]{20,255}"),
    ("sk-", r"sk-(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,255}"),
    ("sk_live_", r"sk_live_[A-Za-z0-9]{16,255}"),
    ("rk_live_", r"rk_live_[A-Za-z0-9]{16,255}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,255}"),
    ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{11,255}"),
    ("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_-]{50,255}"),
    ("SG.", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"),
    ("eyJ", r"eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}(?:\.[A-Za-z0-9_-]{0,4096})?"),
)
"""How tokens of well-known services look: with what they begin, and the whole."""

_AFTER: tuple[tuple[str, str], ...] = (
    ("://", r"(://[^\s/@:'\"]{0,255}:)([^\s/@'\"]{1,1024})(@)"),
    ("earer ", r"([Bb]earer )([A-Za-z0-9._~+/=-]{16,4096})()"),
    ("hooks.slack.com/services/", r"(hooks\.slack\.com/services/)([A-Za-z0-9/]{20,255})()"),
)
"""Secrets that are known by what stands before them: a marker, and three groups of which the middle one is masked."""

_PEM_BEGIN = b"-----BEGIN "
_PEM_OPEN = rb"-----BEGIN (?:[A-Z0-9 ]{0,48}\Z|[A-Z0-9 ]{0,32}PRIVATE KEY)"
_PEM_WHOLE = rb"(?s)-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----.*?-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----"
_PEM = rb"(?s)(-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----).*?(-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----|\Z)"
_TOKENS = tuple((marker.encode(), rb"(?<![A-Za-z0-9])" + shape.encode()) for marker, shape in _SHAPES)
_PLACES = tuple((marker.encode(), shape.encode()) for marker, shape in _AFTER)
_WORD_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_RUNS = bytes(120 if byte in _WORD_BYTES else 32 for byte in range(256))
_LONG = b"x" * 16
"""Every token has a run of 16 letters, digits, ``_`` and ``-``. Where a text has none, and one look tells, no token is in it."""
_WORDS = (*(m for m, _ in _TOKENS), *(m for m, _ in _PLACES))
_MARKERS = (*_WORDS, _PEM_BEGIN)
_AS_BYTES = "surrogateescape" if os.name != "nt" else "surrogatepass"
_LONGEST = 16_384
"""What is held back of a stream at most, while it looks like the beginning of a secret."""


@final
class Masker:
    """Replaces secrets by ``***``. Never changed once made; may be shared between threads.

    Parameters
    ----------
    names : flags and variables that are secret although they do not look it (``[run] secrets``); ``*`` stands for anything.
    values : the secrets themselves. One that is too short or too common to be told from ordinary text (under 4 characters,
        ``true``, a short number) is only masked in its own place.

    >>> masker = Masker(values=["hunter22"])
    >>> masker.mask("login with hunter22 at postgres://ada:x7@db/shop")
    'login with *** at postgres://ada:***@db/shop'
    """

    def __init__(self, names: Iterable[str] = (), values: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        self._patterns = tuple(re.escape(_plain_name(n)).replace(r"\*", ".*") for n in self.names)
        self.values = tuple(sorted({v for v in values if _tellable(v)}, key=len, reverse=True))
        found = sorted({form for v in self.values for form in _forms(v)}, key=lambda form: (-len(form), form))
        self._literals = tuple(found)
        self._literal = re.compile(b"|".join(_bounded(form) for form in found)) if found else None

    @classmethod
    def of_environment(
        cls, variables: Mapping[str, str], *, names: Iterable[str] = (), values: Iterable[str] = ()
    ) -> Masker:
        """One that also knows the values of all variables with secret names."""
        by_name = cls(names)
        return cls(names, [*values, *(value for name, value in variables.items() if by_name.is_secret(name))])

    def knowing(self, values: Iterable[str]) -> Masker:
        """One that knows more values."""
        more = [value for value in values if value not in self.values]
        return Masker(self.names, [*self.values, *more]) if more else self

    def is_secret(self, name: str) -> bool:
        """Whether what has this name is secret: it looks it, or was declared."""
        plain = _plain_name(name)
        return any(re.fullmatch(pattern, plain) for pattern in self._patterns) or is_secret_name(name)

    def value(self, name: str, value: Any) -> Any:
        """What is recorded of a flag or variable: ``***`` under a secret name, else the value with secrets within it masked."""
        if self.is_secret(name):
            return MASK if value not in (None, "", False, True) else value
        return self.mask_json(value)

    def mapping(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`value` of each; a name that holds a secret is masked too."""
        return {self.mask(name): self.value(name, value) for name, value in values.items()}

    def argv(self, words: Iterable[str]) -> list[str]:
        """A command line as it may be shown: what follows ``--password``, or ``password=``, is masked.

        >>> Masker().argv(["train.R", "--db-password", "x1", "--api-key=k2", "--lr", "0.1"])
        ['train.R', '--db-password', '***', '--api-key=***', '--lr', '0.1']
        """
        return [
            self.mask(before) if secret is None else f"{before}{MASK if secret else ''}"
            for before, secret in self._named(words)
        ]

    def values_in(self, words: Iterable[str]) -> list[str]:
        """What `argv` masks for the name before it.

        >>> Masker().values_in(["train.R", "--db-password", "x1", "--api-key=k2", "--lr", "0.1"])
        ['x1', 'k2']
        """
        return [secret for _, secret in self._named(words) if secret]

    def _named(self, words: Iterable[str]) -> Iterable[tuple[str, str | None]]:
        """Each word of a command line as what may be shown of it and the value of a secret name behind that; None: it has none."""
        after_secret = False
        for word in words:
            name, equals, value = word.partition("=")
            if after_secret and not word.startswith("--"):
                yield "", word
                after_secret = False
            elif equals and self.is_secret(name.lstrip("-")) and not re.search(r"[\s/]", name):
                yield f"{name}=", value
                after_secret = False
            else:
                yield word, None
                after_secret = word.startswith("-") and not equals and self.is_secret(word.lstrip("-"))

    def mask(self, text: str) -> str:
        """A text without secrets. Its line ends stay; what cannot be encoded (lone surrogates) stays too."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.mask_bytes(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def mask_bytes(self, data: bytes) -> bytes:
        """Bytes of any encoding that keeps ASCII, without secrets. The same object where nothing was found."""
        data = self.mask_values(data)
        if _LONG in data.translate(_RUNS):
            for marker, shape in _TOKENS:
                if marker in data:
                    data = _replaced(shape, _MASK, data)
        for marker, shape in _PLACES:
            if marker in data:
                data = _replaced(shape, rb"\1" + _MASK + rb"\3", data)
        if _PEM_BEGIN in data:
            data = _replaced(_PEM, rb"\1" + _MASK + rb"\2", data)
        return data

    def mask_values(self, data: bytes) -> bytes:
        """Bytes without the values that are known to be secret; what only looks like a token stays. The same object where there
        is none."""
        if self._literal is None or not any(literal in data for literal in self._literals):
            return data
        return _replaced(self._literal, _MASK, data)

    def mask_json(self, value: Any) -> Any:
        """A JSON value: texts are masked, and everything under a secret name is."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return self.mapping({str(name): inner for name, inner in value.items()})
        if isinstance(value, list | tuple):
            return [self.mask_json(inner) for inner in value]
        return value

    def stream(self) -> MaskedStream:
        """For output that comes in pieces: a secret that is cut by two pieces is found too."""
        return MaskedStream(self)

    def _held(self, data: bytes) -> int:
        """Where the end of `data` begins that may be the beginning of a secret; ``len(data)`` where none is."""
        end = len(data)
        cut = min(_partial(data, whole) for whole in (*self._literals, *_MARKERS))
        tail = data[max(0, end - _LONGEST) :]
        word = max(tail.rfind(space) for space in (b" ", b"\n", b"\r", b"\t")) + 1  # where the last word begins
        for marker in _WORDS:
            found = tail.find(marker, max(0, word - len(marker)))
            if found >= 0:
                cut = min(cut, end - len(tail) + found)
        begun = tail.rfind(_PEM_BEGIN)
        if begun >= 0 and re.match(_PEM_OPEN, tail[begun:]) and not re.match(_PEM_WHOLE, tail[begun:]):
            cut = min(cut, end - len(tail) + begun)
        return cut


@final
class MaskedStream:
    """Masks bytes that come in pieces. What may be the beginning of a secret is held back until it is known; nothing else is,
    so that a prompt without a line end is seen at once. For one thread."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._kept = b""
        self._before = b""

    def feed(self, data: bytes) -> bytes:
        """What may be shown after this piece has come."""
        data = self._kept + data
        cut = self._masker._held(data)
        if len(data) - cut > _LONGEST:  # no secret is that long
            cut = len(data)
        self._kept = data[cut:]
        return self._masked(data[:cut])

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        rest, self._kept = self._kept, b""
        return self._masked(rest)

    def _masked(self, data: bytes) -> bytes:
        """`data` masked in sight of the byte before it: a token begins where a word begins."""
        if not data:
            return data
        masked = self._masker.mask_bytes(self._before + data)
        shown = masked[len(self._before) :]
        self._before = data[-1:]
        return shown


def _replaced(shape: bytes | re.Pattern[bytes], by: bytes, data: bytes) -> bytes:
    """As `re.sub`, and the same object where nothing was found. (`re` compiles a shape once, when it is first needed.)"""
    masked, count = re.subn(shape, by, data)
    return masked if count else data


def _partial(data: bytes, whole: bytes) -> int:
    """Where the longest proper beginning of `whole` stands at the end of `data`; ``len(data)`` where none does."""
    end = len(data)
    for size in range(min(len(whole) - 1, end), 0, -1):
        if whole.startswith(data[end - size :]):
            return end - size
    return end


def _tellable(value: str) -> bool:
    """Whether a secret can be told from ordinary text."""
    plain = value.strip()
    if len(plain) < 4 or plain.lower() in ("true", "false", "none", "null", "test", "password", "secret", "token"):
        return False
    return not (len(plain) < 8 and re.fullmatch(r"[0-9.+-]+", plain))


def _forms(value: str) -> Iterable[bytes]:
    """How a value turns up in texts: as it is, without spaces around it, within a URL, within JSON, within a Python repr."""
    plain = value.strip()
    inner = repr(plain)[1:-1]
    texts = {value, plain, inner}
    texts |= {json.dumps(text, ensure_ascii=escaped)[1:-1] for text in (plain, inner) for escaped in (True, False)}
    texts |= {
        escaped.replace("%20", space) for escaped in (_quoted(plain, ""), _quoted(plain, "/")) for space in ("%20", "+")
    }
    # a byte of the environment that is no UTF-8 is a lone surrogate in a Python text
    return {text.encode("utf-8", errors) for text in texts for errors in ("surrogatepass", _AS_BYTES) if len(text) >= 4}


def _quoted(text: str, safe: str) -> str:
    """As within a URL (`urllib.parse.quote`, whose import takes longer than a whole run may)."""
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~" + safe
    return "".join(chr(b) if chr(b) in kept else f"%{b:02X}" for b in text.encode("utf-8", "surrogatepass"))


def _bounded(form: bytes) -> bytes:
    """A short word is only masked where it stands alone: the password ``blue`` is not in ``bluetooth``."""
    if len(form) < 8 and form.isalnum():
        return rb"(?<![A-Za-z0-9])" + re.escape(form) + rb"(?![A-Za-z0-9])"
    return re.escape(form)


def _plain_name(name: str) -> str:
    """Names are equal whatever their case and separators: ``--my-key`` and ``MY_KEY``."""
    return name.lstrip("-").replace("-", "_").replace(".", "_").lower()
