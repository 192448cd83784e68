"""One server, many models: loaded when asked, let go when others need the room, refused when damaged; the slots never mind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.serving import loading, models, room, tokens
from penstock.serving.acknowledgements import wait_for_shelf, workers
from penstock.serving.journal import read
from penstock.serving.loading import graph_bytes_of, memory_of
from penstock.serving.shelf import Shelf, read_shelf, set_state, take_off_shelf
from penstock.serving.slots import SlotState
from penstock.testing.toy_bundle import ROWS

Deploy = Callable[..., SlotState]
Shelve = Callable[..., Shelf]
ROW = {name: ROWS[0][name] for name in ("age", "income", "job", "member")}


def ask(client: Any, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = client.post("/predict", {"rows": [ROW], **more}).json()
    return body


def states(client: Any) -> dict[tuple[str, int], str]:
    return {(one["model"], one["version"]): one["state"] for one in client.get("/models").json()["models"]}


def mb(toys: Callable[..., Path], bundles: float) -> float:
    """A limit that `bundles` of the toys fit under."""
    return bundles * memory_of(graph_bytes_of(Bundle.load(toys(1)))) / 1e6


def test_models_of_the_shelf_answer_when_they_are_asked_by_name(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path]
) -> None:
    """With the bits of their own bundle; each answer and its record say which one it was."""
    deploy(1)
    shelve("fraud", 7, of=2, labels=["champion"])
    shelve("fraud", 9, of=3, labels=["challenger"])
    shelve("grades", 1, of=1, task="multiclass")
    shelve("toy", 5, of=3)
    client = open_client()
    expected = {
        (None, None): ("toy", 1, "blue", toys(1)),
        ("toy", None): ("toy", 1, "blue", toys(1)),
        ("toy", "champion"): ("toy", 1, "blue", toys(1)),
        ("toy", "latest"): ("toy", 5, "shelf", toys(3)),
        (None, 5): ("toy", 5, "shelf", toys(3)),
        ("fraud", None): ("fraud", 7, "shelf", toys(2)),
        ("fraud", "latest"): ("fraud", 9, "shelf", toys(3)),
        ("fraud", "challenger"): ("fraud", 9, "shelf", toys(3)),
        ("fraud", 7): ("fraud", 7, "shelf", toys(2)),
        ("grades", None): ("grades", 1, "shelf", toys(1, "multiclass")),
    }
    for (model, version), (name, number, slot, bundle) in expected.items():
        reply = ask(client, model=model, version=version)
        assert (reply["model"], reply["version"], reply["slot"]) == (name, number, slot)
        (answer,) = Bundle.load(bundle).predict([ROW])
        assert reply["predictions"][0]["probabilities"] == pytest.approx(answer["probabilities"], abs=0)
    journalled = [(record.model, record.version, record.slot) for record in read(client.journal)]
    assert journalled == [(name, number, slot) for name, number, slot, _ in expected.values()]


@pytest.mark.parametrize(
    ("more", "code", "path", "told"),
    [
        ({"model": "cat"}, "unknown-model", "model", "'fraud', 'toy'"),
        ({"model": ""}, "unknown-model", "model", "'fraud', 'toy'"),
        ({"model": "fraud", "version": 8}, "unknown-version", "version", "7; also latest, champion"),
        ({"model": "fraud", "version": "blue"}, "unknown-version", "version", "7; also latest"),
        ({"version": 8}, "unknown-version", "version", "1; also latest, champion, blue"),
    ],
)
def test_what_is_not_offered_is_refused_with_what_is(
    deploy: Deploy, shelve: Shelve, open_client: Any, more: dict[str, Any], code: str, path: str, told: str
) -> None:
    """404 on every way in."""
    deploy(1)
    shelve("fraud", 7, labels=["champion"])
    response = open_client().post("/predict", {"rows": [ROW], **more})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["path"]) == (404, code, path)
    assert told in error["why"]


def test_the_least_recently_asked_goes_when_another_needs_the_room(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path]
) -> None:
    """Room for the slot and two: the third takes the place of the one that was asked longest ago; metrics tell."""
    deploy(1)
    for model in ("a", "b", "c"):
        shelve(model, 1, of=2)
    client = open_client(memory_mb=mb(toys, 3.5))
    ask(client, model="a")
    ask(client, model="b")
    ask(client, model="a")
    ask(client, model="c")
    assert states(client) == {("a", 1): "ready", ("b", 1): "offered", ("c", 1): "ready", ("toy", 1): "ready"}
    assert ask(client, model="b")["model"] == "b"
    assert states(client) == {("a", 1): "offered", ("b", 1): "ready", ("c", 1): "ready", ("toy", 1): "ready"}
    assert client.worker.models.room._leaving == {}  # nothing of the server holds on to what was let go
    text = client.get("/metrics").text
    assert 'penstock_model_evictions_total{model="b",version="1"} 1.0' in text
    assert 'penstock_model_loads_total{model="b",version="1"} 2.0' in text
    assert 'penstock_model_loaded{model="c",version="1"} 1.0' in text
    assert 'penstock_model_loaded{model="toy",version="1"} 1.0' in text
    assert 'penstock_model_loaded{model="a",version="1"}' not in text
    assert 'penstock_model_bytes{model="c",version="1"}' in text


def test_nothing_makes_room_for_a_damaged_one(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path], tmp_path: Path
) -> None:
    """It is looked at before another goes, each time that it is asked again."""
    deploy(1)
    shelve("a", 1, of=2)
    shelf = shelve("broken", 1, of=3)
    (tmp_path / "serving" / shelf.of("broken")[0].path / "graph.onnx").write_bytes(b"no graph")
    client = open_client(memory_mb=mb(toys, 2.5))
    ask(client, model="a")
    assert client.post("/predict", {"rows": [ROW], "model": "broken"}).status_code == 503
    assert states(client) == {("a", 1): "ready", ("broken", 1): "failed", ("toy", 1): "ready"}


def test_the_slots_own_are_pinned_and_what_does_not_fit_beside_them_is_refused(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path]
) -> None:
    """503 that names the limit; what is live answers on."""
    deploy(1)
    deploy(2)
    shelve("fraud", 1)
    client = open_client(memory_mb=mb(toys, 2.5))
    response = client.post("/predict", {"rows": [ROW], "model": "fraud"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no-room")
    assert "memory_mb" in response.json()["error"]["why"]
    assert [ask(client, version=v)["version"] for v in (1, 2)] == [1, 2]


def test_a_bundle_that_is_let_go_is_freed_and_one_that_still_answers_counts_until_then(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path]
) -> None:
    """Nothing else of the server holds on to it."""
    deploy(1)
    shelve("a", 1, of=2)
    shelve("b", 1, of=3)
    client = open_client(memory_mb=mb(toys, 2.5))
    ask(client, model="a")
    held = client.worker.models

    async def use() -> None:
        in_use = await held.find("a")
        gone = weakref.ref(in_use.bundle)
        waiting = asyncio.create_task(held.find("b"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert in_use.bundle.predict([ROW])
        assert held.room.taken() > held.room.stays()
        del in_use
        assert (await waiting).entry.model == "b"
        gc.collect()
        assert gone() is None

    asyncio.run(use())
    assert states(client)["a", 1] == "offered"


def test_one_that_answers_for_ever_is_not_waited_for_for_ever(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is no room."""
    monkeypatch.setattr(room, "_ROOM_S", 0.05)
    deploy(1)
    shelve("a", 1, of=2)
    shelve("b", 1, of=3)
    client = open_client(memory_mb=mb(toys, 2.5))

    async def use() -> str:
        in_use = await client.worker.models.find("a")
        with pytest.raises(models.RequestError, match="no room") as refused:
            await client.worker.models.find("b")
        assert in_use.bundle.predict([ROW])
        return refused.value.code

    assert asyncio.run(use()) == "no-room"


def test_the_champion_by_its_name_is_not_dealt_to_a_release(
    deploy: Deploy, toys: Callable[..., Path], open_client: Any, tmp_path: Path
) -> None:
    """Which deals what names no version."""
    from penstock.serving.releases import Release
    from penstock.serving.switching import offer

    deploy(1)
    release = Release(mode="canary", share=1.0)
    offer(tmp_path / "serving", toys(2), release, model="toy", version=2, digest=Bundle.load(toys(2)).digest)
    client = open_client()
    assert [ask(client, **more)["version"] for more in ({}, {"model": "toy"}, {"version": "champion"})] == [2, 2, 1]
    assert client.get("/models").json()["models"][0]["labels"] == ["champion"]


def test_a_slow_load_happens_once_and_others_are_answered_meanwhile(
    deploy: Deploy, shelve: Shelve, open_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five requests wait for it, one of them gives up; the live version answers before it is done."""
    deploy(1)
    shelve("fraud", 1, of=2)
    client = open_client()
    may_go, loads = threading.Event(), []

    def slow(state_dir: Path, entry: Any) -> Bundle:
        loads.append(entry.model)
        assert may_go.wait(20)
        return loading.load_bundle(state_dir, entry)

    monkeypatch.setattr(models, "load_bundle", slow)
    held = client.worker.models

    async def many() -> None:
        asked = [asyncio.create_task(held.find("fraud")) for _ in range(5)]
        await asyncio.sleep(0.05)
        asked[0].cancel()
        assert (await held.find()).entry.model == "toy"
        assert [one.state for one in held.states_of("fraud")] == ["loading"]
        may_go.set()
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert len({id(one) for one in done[1:]}) == 1

    asyncio.run(many())
    assert loads == ["fraud"]


@pytest.mark.parametrize("victim", ["graph.onnx", "signature.json", "manifest.json", "examples.json"])
def test_a_damaged_entry_is_refused_when_asked_and_the_others_are_untouched(
    deploy: Deploy, shelve: Shelve, open_client: Any, tmp_path: Path, victim: str, caplog: pytest.LogCaptureFixture
) -> None:
    """503 without a word about the inside, which stands in the log; put there again it answers at once."""
    deploy(1)
    shelf = shelve("fraud", 1, of=2)
    shelve("churn", 1, of=3)
    file = tmp_path / "serving" / shelf.of("fraud")[0].path / victim
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    client = open_client()
    response = client.post("/predict", {"rows": [ROW], "model": "fraud"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "model-unavailable")
    assert str(tmp_path) not in response.text
    assert victim in caplog.text
    (refused,) = read(client.journal)
    assert (refused.model, refused.version, refused.slot) == ("fraud", 1, "shelf"), "not held against the live version"
    assert ask(client, model="churn")["model"] == "churn"
    assert ask(client)["model"] == "toy"
    assert states(client)["fraud", 1] == "failed"
    assert 'penstock_model_load_failures_total{model="fraud",version="1"} 1.0' in client.get("/metrics").text
    shelve("fraud", 1, of=2)
    asyncio.run(client.worker.models._move(read_shelf(tmp_path / "serving")))
    assert ask(client, model="fraud")["model"] == "fraud"


ABOUT = (
    "/model?model=grades",
    "/openapi.json?model=grades",
    "/v2/models/grades",
    "/v2/models/grades/versions/4",
    "/v2/models/grades/ready",
    "/v2/models/grades/versions/4/ready",
    "/v1/models/grades",
    "/v1/models/grades/metadata",
    "/v1/models/grades/labels/champion/metadata",
    "/models",
)


@pytest.mark.parametrize("path", ABOUT)
def test_whoever_may_not_predict_has_nothing_loaded_by_asking_about_it(
    deploy: Deploy, shelve: Shelve, open_client: Any, toys: Callable[..., Path], tmp_path: Path, path: str
) -> None:
    """Nor anything evicted; what is told is the same as once it is loaded, but for its state."""
    deploy(1)
    shelve("a", 1, of=2)
    shelve("grades", 4, task="multiclass", labels=["champion"])
    token = tokens.create(tmp_path / "serving", "prometheus", ["metrics"]).text
    root = tokens.create(tmp_path / "serving", "root", ["admin"]).text
    client = open_client(memory_mb=mb(toys, 2.5))

    def get() -> Any:
        return client.ask("GET", path, headers={"authorization": f"Bearer {token}"})

    def predict(model: str) -> int:
        body = {"rows": [ROW], "model": model}
        return int(client.ask("POST", "/predict", json=body, headers={"authorization": f"Bearer {root}"}).status_code)

    assert predict("a") == 200
    before = get()
    assert {held.loaded.entry.model for held in client.worker.models.room.held.values()} == {"a"}
    assert before.status_code == (400 if path.endswith("/ready") else 200)
    assert predict("grades") == 200
    assert get().status_code == 200
    if "/ready" not in path and path not in ("/models", "/v1/models/grades"):
        assert get().json() == before.json()


def test_what_is_damaged_is_not_described(deploy: Deploy, shelve: Shelve, open_client: Any, tmp_path: Path) -> None:
    """503, as where it is asked; so is another bundle in its place. The graph alone is not looked at."""
    deploy(1)
    folder = tmp_path / "serving" / shelve("fraud", 1, of=2).of("fraud")[0].path
    client = open_client()
    (folder / "graph.onnx").write_bytes(b"no graph")
    assert client.get("/v2/models/fraud").status_code == 200
    good = (folder / "signature.json").read_bytes()
    (folder / "signature.json").write_bytes(b"{}")
    refused = client.get("/v2/models/fraud")
    assert (refused.status_code, refused.json()["code"]) == (503, "model-unavailable")
    assert str(tmp_path) not in refused.text
    (folder / "signature.json").write_bytes(good)
    other = tmp_path / "serving" / shelve("other", 1, of=3).of("other")[0].path
    for file in other.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert client.get("/model?model=fraud").status_code == 503


@pytest.mark.parametrize("path", ["/predict", "/v2/models/fraud/infer", "/v1/models/fraud:predict"])
def test_what_is_refused_is_journalled_of_the_model_that_was_asked(
    deploy: Deploy, shelve: Shelve, open_client: Any, path: str
) -> None:
    """By every way in, whether it was loaded before; without a name it is the live version's; what is no request at all is nobody's."""
    deploy(1)
    shelve("fraud", 7, of=2)
    client = open_client()
    body = {"rows": [{"age": "old"}], "instances": [{"age": "old"}]}
    body = {"rows": body["rows"], "model": "fraud"} if path == "/predict" else {"instances": body["instances"]}
    if path.startswith("/v2"):
        body = {"inputs": [{"name": "age", "datatype": "BYTES", "shape": [1], "data": ["old"]}]}
    for _ in range(2):
        assert client.post(path, body).status_code == 400
    assert client.post("/predict", {"rows": [{"age": "old"}]}).status_code == 400
    assert client.ask("POST", "/predict", content=b"{").status_code == 400
    assert [(record.kind, record.model, record.version) for record in read(client.journal)] == [
        ("error", "fraud", 7), ("error", "fraud", 7), ("error", "toy", 1), ("error", "", 0)
    ]  # fmt: skip


def test_the_shelf_may_change_while_the_server_runs(
    deploy: Deploy, shelve: Shelve, start_server: Any, tmp_path: Path
) -> None:
    """Put there, unloaded, loaded ahead and taken off again: every worker follows and says so; a garbled file changes nothing."""
    deploy(1)
    server = start_server("--workers", "2")
    state_dir = tmp_path / "serving"

    def asked(model: str) -> int:
        return int(server.ask("POST", "/predict", {"rows": [ROW], "model": model})[0])

    assert asked("fraud") == 404
    assert len(wait_for_shelf(state_dir, shelve("fraud", 1, of=2).epoch)) == 2
    assert {asked("fraud") for _ in range(8)} == {200}
    wait_for_shelf(state_dir, set_state(state_dir, "fraud", "unloaded").epoch)
    assert {asked("fraud") for _ in range(8)} == {404}
    wait_for_shelf(state_dir, set_state(state_dir, "fraud", "loaded").epoch)
    loaded = [one for one in server.ask("GET", "/models")[1]["models"] if one["model"] == "fraud"]
    assert loaded[0]["state"] == "ready"
    good = (state_dir / "shelf.json").read_bytes()
    (state_dir / "shelf.json").write_bytes(b"{")
    time.sleep(0.2)
    assert asked("fraud") == 200
    (state_dir / "shelf.json").write_bytes(good)
    wait_for_shelf(state_dir, take_off_shelf(state_dir, "fraud").epoch)
    assert {asked("fraud") for _ in range(8)} == {404}
    assert len(workers(state_dir)) == 2


def test_labels_are_judged_by_the_model_that_answered(deploy: Deploy, shelve: Shelve, open_client: Any) -> None:
    """Classes differ between the models; one that is let go, or whose graph is not loaded, judges all the same."""
    deploy(1)
    shelve("grades", 1, task="multiclass")
    client = open_client()
    own = ask(client)["predictions"][0]["id"]
    other = ask(client, model="grades")["predictions"][0]["id"]
    fresh = open_client()  # has not loaded it
    for asked in (client, fresh):
        labels = [
            {"id": own, "label": "yes"},
            {"id": other, "label": 3},
            {"id": own, "label": 3},
            {"id": other, "label": "yes"},
        ]
        reply = asked.post("/labels", {"labels": labels}).json()
        assert reply["accepted"] == 2
        assert [(r["index"], r["code"]) for r in reply["rejected"]] == [(2, "bad-label"), (3, "bad-label")]
    wrong = client.post("/labels", {"labels": [{"id": other, "model": "toy", "label": 3}]}).json()
    assert "was answered by 'grades'" in wrong["rejected"][0]["why"]


def test_a_key_means_the_latest_prediction_of_the_model_that_is_named(
    deploy: Deploy, shelve: Shelve, open_client: Any
) -> None:
    """Without a name that of the slots, although another model has answered the same key since."""
    deploy(1)
    shelve("grades", 1, task="multiclass")
    client = open_client()
    row = {**ROW, "id": 17}
    own = client.predict(row)[0]["id"]
    other = client.predict(row, model="grades")[0]["id"]
    labels = [{"key": 17, "label": "yes"}, {"key": 17, "model": "grades", "label": 2}]
    assert client.post("/labels", {"labels": labels}).json()["rejected"] == []
    from penstock.serving.labels import read_labels

    assert {i: one.label for i, one in read_labels(client.journal).items()} == {own: "yes", other: 2}


def test_labels_of_a_model_that_is_no_longer_offered_are_told_apart(
    deploy: Deploy, shelve: Shelve, open_client: Any, tmp_path: Path
) -> None:
    """Nobody can judge them any more."""
    deploy(1)
    shelve("grades", 1, task="multiclass")
    other = ask(open_client(), model="grades")["predictions"][0]["id"]
    take_off_shelf(tmp_path / "serving", "grades")
    reply = open_client().post("/labels", {"labels": [{"id": other, "label": 3}]}).json()
    assert [r["code"] for r in reply["rejected"]] == ["unknown-model"]


def test_a_version_is_described_by_its_name(deploy: Deploy, shelve: Shelve, open_client: Any) -> None:
    """`/model` and `/openapi.json` take the same names; the list tells where each stands."""
    deploy(1)
    shelve("grades", 4, task="multiclass", labels=["champion"])
    client = open_client()
    assert client.get("/model").json()["model"] == "toy"
    described = client.get("/model?model=grades").json()
    assert (described["model"], described["version"], described["slot"]) == ("grades", 4, "shelf")
    assert client.get("/openapi.json?model=grades&version=4").json()["info"]["title"] == "grades: predicts grade"
    schema = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert schema["application/json"]["schema"]["properties"]["model"]["anyOf"][0] == {"enum": ["grades", "toy"]}
    listed = client.get("/models").json()["models"]
    assert [(one["model"], one["slot"], one["labels"]) for one in listed] == [
        ("grades", "shelf", ["champion"]),
        ("toy", "blue", ["champion"]),
    ]


def test_the_memory_that_is_reckoned_covers_what_a_bundle_takes(toys: Callable[..., Path]) -> None:
    """Of the toy's small graph; benchmarks/serving/many_models.py measures large ones."""
    first = Bundle.load(toys(1))
    first.self_test()
    loading.give_memory_back()
    before = loading.resident_bytes()
    kept = [Bundle.load(toys(1)) for _ in range(20)]
    for bundle in kept:
        bundle.self_test()
    loading.give_memory_back()
    assert (loading.resident_bytes() - before) / 20 <= memory_of(graph_bytes_of(first))
