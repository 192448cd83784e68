"""Consumers and the digests of their tokens, as they are stored."""

from __future__ import annotations

import json
import stat
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from penstock.errors import BadParameter, NewerFormat, NotFound, ServingError
from penstock.serving.folder import ServingFolder
from penstock.serving.instants import parse_instant
from penstock.serving.tokens import create, digest_of, parse_consumers, read_consumers, revoke, rotate

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def test_a_token_is_shown_once_and_only_its_digest_is_kept(tmp_path: Path) -> None:
    """The file holds nothing of the token itself, and only its owner may read it."""
    issued = create(tmp_path, "crm", ["label", "predict"], rate="600/min")
    file = ServingFolder(tmp_path).tokens
    assert issued.text.startswith("pst_")
    assert len(issued.text) == 47  # 256 bits in base64
    assert issued.text[4:] not in file.read_text()
    assert digest_of(issued.text.encode()).hex() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (consumer,) = read_consumers(tmp_path)
    assert (consumer.name, consumer.scopes, consumer.rate_per_s) == ("crm", ("predict", "label"), 10.0)


@pytest.mark.parametrize(
    ("name", "scopes", "more", "says"),
    [
        ("CRM", ["predict"], {}, "no name of a consumer"),
        ("../x", ["predict"], {}, "no name of a consumer"),
        ("anonymous", ["predict"], {}, "no name of a consumer"),
        ("a" * 64, ["predict"], {}, "no name of a consumer"),
        ("crm\n", ["predict"], {}, "no name of a consumer"),
        ("crm", [], {}, "has no scope"),
        ("crm", ["root"], {}, "no scope 'root'"),
        ("crm", ["predict"], {"rate": "fast"}, "no rate"),
        ("crm", ["predict"], {"rate": "0/s"}, "no rate"),
        ("crm", ["predict"], {"expires": "soon"}, "no length of time"),
        ("crm", ["predict"], {"expires": "0d"}, "no length of time"),
    ],
)
def test_what_is_no_consumer_is_refused(
    tmp_path: Path, name: str, scopes: list[str], more: dict[str, str], says: str
) -> None:
    """With what it may be; nothing is stored."""
    with pytest.raises(BadParameter, match=says):
        create(tmp_path, name, scopes, **more)
    assert read_consumers(tmp_path) == ()


def test_a_consumer_is_declared_once_and_gets_other_tokens_by_rotation(tmp_path: Path) -> None:
    """The earlier token goes on for as long as it is kept, or ends at once."""
    create(tmp_path, "crm", ["predict"])
    with pytest.raises(BadParameter, match="tokens rotate crm"):
        create(tmp_path, "crm", ["predict"])
    rotate(tmp_path, "crm", keep="24h")
    (consumer,) = read_consumers(tmp_path)
    now = consumer.tokens[1].created_at
    assert [token.state(now) for token in consumer.tokens] == ["valid", "valid"]
    assert consumer.tokens[0].expires_at is not None
    rotate(tmp_path, "crm")
    (consumer,) = read_consumers(tmp_path)
    assert [token.state("2999") for token in consumer.tokens] == ["revoked", "revoked", "valid"]
    with pytest.raises(NotFound, match="crm"):
        rotate(tmp_path, "shop")


def test_a_token_that_takes_the_place_of_one_that_expires_expires_as_late(tmp_path: Path) -> None:
    """Whoever made it for 90 days did not mean one for ever; who does says so."""
    create(tmp_path, "crm", ["predict"], expires="90d")
    for expires, days in ((None, 90), ("7d", 7), (None, 7), ("never", None), (None, None)):
        token = rotate(tmp_path, "crm", keep="1h", expires=expires).token
        if days is None:
            assert token.expires_at is None
        else:
            assert token.expires_at is not None
            length = parse_instant(token.expires_at) - parse_instant(token.created_at)
            assert abs(length - timedelta(days=days)) < timedelta(seconds=1)


def test_a_revoked_consumer_stays_listed_and_may_come_back(tmp_path: Path) -> None:
    """A server that had consumers is not open again when the last one is gone."""
    create(tmp_path, "crm", ["predict"])
    revoke(tmp_path, "crm")
    (consumer,) = read_consumers(tmp_path)
    assert [token.state(token.revoked_at or "") for token in consumer.tokens] == ["revoked"]
    create(tmp_path, "crm", ["label"])
    (consumer,) = read_consumers(tmp_path)
    assert consumer.scopes == ("label",)
    with pytest.raises(NotFound, match="there are: crm"):
        revoke(tmp_path, "shop")


def test_changes_at_the_same_time_do_not_lose_each_other(tmp_path: Path) -> None:
    """Sixteen threads declare a consumer each."""
    threads = [threading.Thread(target=create, args=(tmp_path, f"c{n}", ["predict"])) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(consumer.name for consumer in read_consumers(tmp_path)) == sorted(f"c{n}" for n in range(16))


def test_a_file_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """And not guessed."""
    ServingFolder(tmp_path).tokens.write_text('{"format": 2, "consumers": []}')
    with pytest.raises(NewerFormat, match="format 2"):
        read_consumers(tmp_path)


@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@example(data=b"[" * 100_000)
@example(
    data=b'{"format": 1, "consumers": [{"name": "a", "scopes": [], "rate_per_s": 1' + b"0" * 400 + b', "tokens": []}]}'
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_file_holds_it_is_read_or_refused(data: bytes) -> None:
    """Never anything but an error of ours."""
    with suppress(ServingError, NewerFormat):
        parse_consumers(data, "tokens.json")


@given(
    inner=JSON,
    key=st.sampled_from(["name", "scopes", "rate_per_s", "priority", "tokens", "digest", "created_at", "expires_at"]),
)
def test_a_file_with_one_wrong_value_is_read_or_refused(inner: object, key: str) -> None:
    """At every place of it."""
    token = {"digest": "0" * 64, "created_at": "2026-11-30T00:00:00.000000Z", "expires_at": None, "revoked_at": None}
    consumer = {"name": "crm", "scopes": ["predict"], "rate_per_s": None, "priority": "low", "tokens": [token]}
    (token if key in token else consumer)[key] = inner
    data = json.dumps({"format": 1, "consumers": [consumer]}).encode()
    with suppress(ServingError):
        parse_consumers(data, "tokens.json")
