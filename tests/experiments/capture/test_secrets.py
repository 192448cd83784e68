"""Secrets: by name, by value, by shape; whole texts and streams in pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.experiments.capture.secrets import MASK, Masker, is_secret_name

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nabcDEF+/=\n-----END RSA PRIVATE KEY-----"
SHAPES = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1" * 18,
    "github_pat_" + "A1b2_" * 6,
    "glpat-" + "x1Y2_" * 5,
    "sk-proj-" + "a1B2" * 8,
    "hf_" + "aB1" * 11,
    "xoxb-123456789012-abcdefABCDEF",
    "AIza" + "S1-_x" * 7,
    JWT,
]


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASSWORD", "dbPassword", "--api-key", "API_KEY", "apikey", "AWS_SECRET_ACCESS_KEY", "token", "HF_TOKEN",
     "auth", "BASIC_AUTH", "credentials", "GOOGLE_APPLICATION_CREDENTIALS", "private_key", "MYSQL_PWD", "smtp_pass", "GITHUB_PAT",
     "PGPASSWORD", "client-secret", "WANDB_API_KEY", "access.key"],
)  # fmt: skip
def test_a_name_that_says_so_is_secret(name: str) -> None:
    """Whatever its case and separators."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["lr", "tokens", "max_tokens", "pad_token", "token_dim", "tokenizer", "n_tokens", "key", "key_dim", "author", "PWD", "OLDPWD",
     "n_pass", "passes", "path", "compass", "num_heads", "eos_token_id", "monkey", ""],
)  # fmt: skip
def test_words_of_the_trade_are_no_secrets(name: str) -> None:
    """Tokens of a text, keys of attention: a user looks for these in `runs`."""
    assert not is_secret_name(name)


def test_declared_names_are_secret_too() -> None:
    """`[run] secrets`, with `*` for anything."""
    masker = Masker(names=["corp-*", "Pin"])
    assert masker.is_secret("CORP_LOGIN")
    assert masker.is_secret("--pin")
    assert not masker.is_secret("spin")


@pytest.mark.parametrize("secret", SHAPES)
def test_known_tokens_are_masked_by_their_shape(secret: str) -> None:
    """Nobody had to say that they are secret."""
    assert Masker().mask(f"using {secret}\nnext") == "using ***\nnext"


@pytest.mark.parametrize(
    "text",
    ["task-some-long-name-of-a-thing-1234567890", "loss: 0.25 acc: 0.9", "http://localhost:8888/tree", "see https://a.b/c@2x.png",
     "sk-learn-is-a-library-with-words", "2026-11-01T10:00:00Z", "eyJ is how it begins"],
)  # fmt: skip
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    """A mask in the wrong place hides a result."""
    assert Masker(values=["hunter22"]).mask(text) == text


def test_passwords_within_urls_and_headers_are_masked() -> None:
    """The rest of the address is useful, and stays."""
    masker = Masker()
    assert masker.mask("postgresql://ada:pa55@db:5432/shop?x=1") == "postgresql://ada:***@db:5432/shop?x=1"
    assert masker.mask("Authorization: Bearer abcdef1234567890") == "Authorization: Bearer ***"


def test_private_keys_are_masked_with_all_their_lines() -> None:
    """One that is cut off too."""
    assert Masker().mask(f"a\n{PEM}\nb") == ("a\n-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nb")
    assert "MIIE" not in Masker().mask(PEM[:60])


@pytest.mark.parametrize("form", ["p@ss/w rd'1", "p%40ss%2Fw%20rd%271", "p%40ss/w%20rd%271", "p%40ss%2Fw+rd%271"])
def test_a_value_is_found_in_its_escaped_forms(form: str) -> None:
    """Within a URL, JSON or a repr it looks different."""
    assert Masker(values=["p@ss/w rd'1"]).mask(f"<{form}>") == "<***>"


def test_values_too_common_to_be_told_are_only_masked_in_their_place() -> None:
    """A password `1` must not mask every 1 of a log."""
    masker = Masker.of_environment({"DB_PASSWORD": "1", "API_TOKEN": "true", "SMTP_PASS": "blue"})
    assert masker.mask("1 true bluetooth") == "1 true bluetooth"
    assert masker.mask("a blue car") == "a *** car"
    assert masker.value("db_password", "1") == MASK


def test_the_environment_tells_the_values() -> None:
    """And their values are masked wherever they turn up, in nested JSON too."""
    masker = Masker.of_environment({"API_KEY": "s3cr3t-value", "HOME": "/home/ada"})
    assert masker.mask_json({"a": ["x s3cr3t-value"], "password": "q", "n": 3, "home": "/home/ada"}) == {
        "a": ["x ***"],
        "password": MASK,
        "n": 3,
        "home": "/home/ada",
    }


def test_flags_are_masked_by_name_and_by_value() -> None:
    """Empty ones and switches tell nothing, and stay."""
    masker = Masker(values=["hunter22"])
    assert masker.mapping({"lr": 0.1, "api_key": "abc", "password": "", "note": "my hunter22", "use_auth": True}) == {
        "lr": 0.1,
        "api_key": MASK,
        "password": "",
        "note": "my ***",
        "use_auth": True,
    }


def test_command_lines_are_masked() -> None:
    """Both ways in which a flag takes its value."""
    words = [
        "Rscript",
        "train.R",
        "--password",
        "pw",
        "--token=abc",
        "API_KEY=zzz",
        "--lr",
        "0.1",
        "--verbose-auth",
        "--x",
        "1",
    ]
    assert Masker().argv(words) == [
        "Rscript", "train.R", "--password", "***", "--token=***", "API_KEY=***", "--lr", "0.1", "--verbose-auth", "--x", "1"
    ]  # fmt: skip


def test_bytes_that_are_no_utf8_pass() -> None:
    """A program may print anything."""
    masker = Masker(values=["hunter22"])
    assert masker.mask_bytes(b"\xff\xfehunter22\x80") == b"\xff\xfe***\x80"
    assert masker.mask("\udcff hunter22") == "\udcff ***"


def test_a_prompt_is_shown_at_once() -> None:
    """Only what may be the beginning of a secret waits."""
    stream = Masker(values=["hunter22"]).stream()
    assert stream.feed(b"Your name? ") == b"Your name? "
    assert stream.feed(b"[=====>   ] 50%") == b"[=====>   ] 50%"
    assert stream.feed(b" hunt") == b" "
    assert stream.feed(b"ed: ") == b"hunted: "
    assert stream.flush() == b""


@given(
    cuts=st.lists(st.integers(0, 400), max_size=12),
    secret=st.sampled_from([*SHAPES, PEM, "hunter22", "p@ss/w rd'1", "postgres://ada:geheim77@db/x"]),
    around=st.sampled_from(["", " ", "x", "\n", "key="]),
)
def test_a_secret_is_found_wherever_the_stream_is_cut(cuts: list[int], secret: str, around: str) -> None:
    """What a stream shows in pieces is what it shows in one: no piece of the secret gets through."""
    masker = Masker(values=["hunter22", "p@ss/w rd'1"])
    data = f"before{around} {secret} after {secret}\nend".encode()
    stream = masker.stream()
    edges = sorted({0, len(data), *(min(c, len(data)) for c in cuts)})
    shown = b"".join(stream.feed(data[a:b]) for a, b in itertools.pairwise(edges)) + stream.flush()
    assert shown == masker.mask_bytes(data)
    assert secret.encode()[-12:-2] not in shown or secret.startswith(("postgres", "-----"))
    assert b"geheim77" not in shown
    assert b"MIIE" not in shown


def test_a_long_line_without_a_secret_is_not_held_back() -> None:
    """Memory stays flat whatever is printed."""
    stream = Masker(values=["hunter22"]).stream()
    for _ in range(20):
        assert len(stream.feed(b"x" * 100_000)) >= 99_000
    held = Masker().stream()
    shown = sum(len(held.feed(b"http://" + b"y" * 10_000)) for _ in range(20))
    assert shown >= 20 * 10_000 - 17_000
