"""Which files are source, and which are data, secrets, or things that a tool left."""

from __future__ import annotations

import re

FOLDERS = frozenset((
    ".git", ".hg", ".svn", ".bzr", ".penstock", "__pycache__", "node_modules", "site-packages", ".venv", "venv", ".tox", ".nox",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".eggs", ".idea", ".vscode", ".cache", ".hypothesis",
    ".dvc", ".guild", "mlruns", "wandb", "lightning_logs", "catboost_info", ".ssh", ".aws", ".gnupg", ".kube", ".docker", ".kaggle",
    ".azure", ".gcloud", ".terraform", ".Rproj.user", "renv",
))  # fmt: skip
"""Folders that hold no source of the user's own, whatever is in them."""

DATA = frozenset((
    "csv", "tsv", "psv", "parquet", "feather", "arrow", "ipc", "avro", "orc", "jsonl", "ndjson", "h5", "hdf5", "hdf", "nc", "zarr", "npy",
    "npz", "mat", "sav", "dta", "sas7bdat", "rds", "rdata", "rda", "xls", "xlsx", "xlsm", "ods", "db", "sqlite", "sqlite3", "duckdb", "mdb",
    "lmdb", "wal", "dat", "data", "arff", "libsvm", "svmlight", "tfrecord", "tfrecords", "record", "pkl", "pickle", "joblib", "dill", "pt",
    "pth", "ckpt", "onnx", "safetensors", "gguf", "ggml", "bin", "pb", "tflite", "keras", "mlmodel", "cbm", "ubj", "model", "weights", "png",
    "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ico", "heic", "psd", "svg", "mp3", "wav", "flac", "ogg", "m4a", "mp4", "avi", "mov",
    "mkv", "webm", "zip", "tar", "gz", "tgz", "bz2", "xz", "zst", "lz4", "7z", "rar", "whl", "egg", "jar", "war", "so", "dll", "dylib", "pyd",
    "pyc", "pyo", "o", "a", "lib", "exe", "class", "wasm", "pdf", "doc", "docx", "ppt", "pptx", "odt", "epub", "ttf", "otf", "woff", "woff2",
    "log", "out", "err", "swp", "tmp", "bak", "lock~", "prof", "nsys-rep", "trace",
))  # fmt: skip
"""Endings of data, models, pictures, archives, compiled code and logs. What a run reads of them is an input, by its digest."""

TEXT = frozenset((
    "py", "pyi", "pyx", "pxd", "ipynb", "r", "rmd", "qmd", "jl", "m", "c", "h", "cc", "cpp", "cxx", "hpp", "cu", "cuh", "rs", "go", "java", "kt",
    "scala", "js", "mjs", "ts", "tsx", "jsx", "lua", "pl", "rb", "php", "swift", "f", "f90", "f95", "sh", "bash", "zsh", "fish", "ps1", "bat", "sql",
    "stan", "bug", "toml", "yaml", "yml", "json", "json5", "ini", "cfg", "conf", "xml", "html", "css", "jinja", "j2", "md", "rst", "txt", "tex",
    "bib", "cmake", "mk", "gradle", "lock", "proto", "graphql", "tf", "tfvars", "hcl", "nix", "dockerfile", "gitignore", "editorconfig",
))  # fmt: skip
"""Endings of text: such a file is not looked into."""

_PROSE = frozenset(("md", "rst", "txt", "tex", "bib", "html", "css", "gitignore", "editorconfig"))

_KEYS = frozenset((
    "pem", "key", "p12", "pfx", "p8", "jks", "keystore", "kdbx", "ppk", "asc", "gpg", "age", "tfvars",
))  # fmt: skip
"""Endings of keys, and of what holds them."""
_KEPT_APART = frozenset((
    ".env", ".envrc", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc", ".htpasswd", ".git-credentials", ".dockercfg", ".s3cfg", ".boto",
    ".my.cnf", "kubeconfig", "kaggle.json", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
))  # fmt: skip
"""Names of files in which tools keep keys and passwords."""
_BEGINS = (".env.", "id_rsa_", "id_dsa_", "id_ecdsa_", "id_ed25519_", "terraform.tfstate")
_WORDS = ("cred", "secret", "account", "token", "password")
_OF_WORDS = r"""(?x)
    (.*credentials?|(.*[-_.])?creds?)([-_.].*)?(?<!\.py)(?<!\.md)(?<!\.r) | .*secrets?([-_.].*)?\.(toml|ya?ml|json|env|ini|cfg|conf|txt|properties) |
    client[-_]secrets?.*\.json | service[-_]?account.*\.json | .*[-_.]?token(s)?\.(json|txt|pickle) | passwords?(\..*)?"""
"""Names with one of the words that are those of secrets. (`re` compiles it at the first such name: most folders have none.)"""
_EXAMPLE = r"(?i).*[._-](example|sample|template|dist|tpl)(\.\w+)?"
_EVENTS = "events.out.tfevents."


def secret_file(path: str) -> bool:
    """Whether a file is taken for keys, passwords or tokens by its name.

    >>> [secret_file(p) for p in (".env", "conf/prod.env", "deploy/id_rsa", "secrets.toml", "gcp-creds.json", "a/server.pem")]
    [True, False, True, True, True, True]
    >>> [secret_file(p) for p in (".env.example", "secrets.py", "sacred.json", "tokenizer.json", "credentials.py", "environment.yml")]
    [False, False, False, False, False, False]
    """
    name = path.rpartition("/")[2].casefold()
    secret = (
        name in _KEPT_APART
        or ending(name) in _KEYS
        or name.startswith(_BEGINS)
        or (any(word in name for word in _WORDS) and re.fullmatch(_OF_WORDS, name) is not None)
    )
    return secret and not re.fullmatch(_EXAMPLE, name)


def ending(path: str) -> str:
    """The last ending of a file's name in lower case, "" where it has none; that of ``.gitignore`` is ``gitignore``."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def may_change_a_program(path: str) -> bool:
    """Whether a file is code or configuration, by its name.

    >>> [may_change_a_program(p) for p in ("model.py", "conf/a.yaml", "README.md", "o1", "notes.txt", "Makefile")]
    [True, True, False, False, False, False]
    """
    return ending(path) in TEXT - _PROSE


def why_not(path: str) -> str | None:
    """Why a file is no source, as far as its name tells; None where it may be."""
    if secret_file(path):
        return "it looks like keys or passwords"
    if ending(path) in DATA or path.rpartition("/")[2].startswith(_EVENTS):
        return "data, a model, a picture or an archive, by its name"
    return None


def own_folder(name: str) -> bool:
    """Whether a folder of this name may hold source of the user's own."""
    return name not in FOLDERS and not name.endswith((".egg-info", ".dist-info"))
