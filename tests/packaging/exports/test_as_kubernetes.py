"""The manifests are what Kubernetes takes, and say what the declaration says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.errors import ExportError
from penstock.packaging.exports.as_kubernetes import Kubernetes
from penstock.packaging.exports.as_prometheus import job_of
from penstock.packaging.exports.exporter import Shipment, export


def written(exporter: Kubernetes, shipment: Shipment, folder: Path) -> dict[str, Any]:
    done = export(exporter, shipment, folder)
    documents = [yaml.safe_load(path.read_text()) for path in done.folder.glob("*.yaml")]
    return {document["kind"]: document for document in documents}


def test_every_manifest_fits_the_schema_of_kubernetes(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Also where names and digests look like something else to YAML."""
    validate = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed")
    for document in written(Kubernetes(image="1234:5"), shipment(), tmp_path / "k").values():
        if document["kind"] != "Kustomization":
            validate.validate(document, "1.30", strict=True)


def test_pods_probes_and_sizes_are_those_of_the_declaration(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Processor and memory from [scope], the image and the number of pods as asked."""
    kinds = written(Kubernetes("shop/bank:7", 3, 9), shipment(scope={"cores": 0.5, "memory_mb": 300}), tmp_path / "k")
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    assert server["image"] == "shop/bank:7"
    assert server["resources"]["requests"] == {"cpu": "500m", "memory": "300Mi"}
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert pod["securityContext"]["runAsNonRoot"] is True
    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert (
        "replicas" not in kinds["Deployment"]["spec"]
    )  # applied anew it would end the pods that the autoscaler has added
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert kinds["Service"]["spec"]["selector"] == kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert set(kinds["Kustomization"]["resources"]) == {
        "deployment.yaml", "service.yaml", "autoscaler.yaml", "disruption.yaml"
    }  # fmt: skip


def test_what_the_image_takes_from_outside_is_mounted_and_probes_speak_tls(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """Tokens and certificate come from secrets that the hints make; the service speaks of https."""
    tls = {"certificate": "/home/me/chain.pem", "key": "/home/me/key.pem"}
    shipped = shipment(serving={"tls": tls}, has_consumers=True)
    kinds = written(Kubernetes(), shipped, tmp_path / "k")
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    assert {server[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("startup", "readiness", "liveness")} == {"HTTPS"}
    places = {mount["name"]: mount["mountPath"] for mount in server["volumeMounts"]}
    assert places == {"journal": "/srv/serving/journal", "consumers": "/srv/consumers", "tls": "/srv/tls"}
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    assert {name: secret["secretName"] for name, secret in secrets.items()} == {
        "consumers": "toy-consumers", "tls": "toy-tls"
    }  # fmt: skip
    assert {secret["defaultMode"] for secret in secrets.values()} == {0o440}  # for the group, which fsGroup is
    assert kinds["Service"]["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "http"}]
    hints = export(Kubernetes(), shipped, tmp_path / "k").hints
    assert any("secret generic toy-consumers" in hint for hint in hints)
    assert any("secret tls toy-tls" in hint for hint in hints)
    validate = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed")
    validate.validate(kinds["Deployment"], "1.30", strict=True)


def test_room_and_time_are_those_of_the_settings(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """A journal within its limit is no reason to evict a pod, nor is a pod killed that is still answering."""
    serving = {"journal": {"max_bytes": 100 * 2**30}, "stop_after_s": 60.0}
    pod = written(Kubernetes(), shipment(serving=serving), tmp_path / "k")["Deployment"]["spec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["emptyDir"]["sizeLimit"] == "102Gi"
    (server,) = pod["containers"]
    before = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before + 60 + 5  # after which the supervisor ends its workers


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("2024-churn", "model-2024-churn"),
        ("Übersee_2", "bersee-2"),
        ("__", "model"),
        ("7" * 80, f"model-{'7' * 44}"),
        (f"a{'-b' * 40}", f"a{'-b' * 24}"),
    ],
)
def test_every_object_has_a_name_that_a_service_may_have(
    model: str, name: str, shipment: Callable[..., Shipment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label of RFC 1035: not only what a Deployment may be called."""
    shipped = shipment(has_consumers=True)
    monkeypatch.setattr(Shipment, "model", model)
    kinds = written(Kubernetes("shop/bank:7"), shipped, tmp_path / "k")
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name)
    del kinds["Kustomization"]
    assert {document["metadata"]["name"] for document in kinds.values()} == {name}
    assert kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == name
    assert kinds["Service"]["spec"]["selector"] == {"app.kubernetes.io/name": name}
    assert f"secret generic {name}-consumers" in (tmp_path / "k/README.md").read_text()


def test_grpc_has_a_port_of_the_pods_and_of_the_service_where_it_is_asked_for(
    shipment: Callable[..., Shipment], tmp_path: Path
) -> None:
    """Beside that of HTTP; else there is none."""
    validate = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed")
    for grpc, ports in ((True, {"http": 8000, "grpc": 8001}), (False, {"http": 8000})):
        kinds = written(Kubernetes(grpc=grpc), shipment(), tmp_path / "k")
        (server,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert {port["name"]: port["containerPort"] for port in server["ports"]} == ports
        asked = {port["targetPort"]: port["port"] for port in kinds["Service"]["spec"]["ports"]}
        assert asked == {**ports, "http": 80}
        for kind in ("Deployment", "Service"):
            validate.validate(kinds[kind], "1.30", strict=True)
        assert ("--grpc" in (tmp_path / "k/README.md").read_text()) is grpc


@pytest.mark.parametrize("guarded", [False, True], ids=["open", "guarded"])
def test_prometheus_finds_the_pods_under_the_job_that_its_rules_ask_for(
    shipment: Callable[..., Shipment], tmp_path: Path, guarded: bool
) -> None:
    """By its Operator, or without; with token and TLS where pods ask for them. Annotations would give another job, and neither."""
    more = {"serving": {"tls": {"certificate": "a", "key": "b"}}, "has_consumers": True} if guarded else {}
    shipped = shipment(**more)
    deployment = written(Kubernetes(), shipped, tmp_path / "k")["Deployment"]
    pod = deployment["spec"]["template"]
    assert "annotations" not in pod["metadata"]
    monitor = yaml.safe_load((tmp_path / "k/prometheus/podmonitor.yaml").read_text())
    (scrape,) = yaml.safe_load((tmp_path / "k/prometheus/scrape.yaml").read_text())
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    job = re.search(r'job="([^"]+)"', job_of(shipped.name))
    assert job is not None
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": job[1]}]
    assert scrape["job_name"] == job[1]
    labels = pod["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
    assert endpoint["port"] in ports
    assert scrape["relabel_configs"][0]["regex"] == f"{labels['app.kubernetes.io/name']};http"
    assert endpoint["scheme"] == scrape["scheme"] == ("https" if guarded else "http")
    assert ("authorization" in endpoint, "authorization" in scrape) == (guarded, guarded)
    assert ("tlsConfig" in endpoint, "tls_config" in scrape) == (guarded, guarded)


def test_what_becomes_of_labels_for_another_pod_is_said(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Refused, unless the journal is declared to keep them; and how the journals come together."""
    for unknown, said in (("refuse", "is refused"), ("keep", "is kept there")):
        done = export(Kubernetes(), shipment(serving={"journal": {"unknown_labels": unknown}}), tmp_path / "k")
        text = (done.folder / "README.md").read_text()
        assert said in text
        assert "tar -C /srv/serving/journal" in text
        assert any("labels for a prediction of another pod" in hint for hint in done.hints) is (unknown == "refuse")


def test_fewer_pods_at_most_than_at_least_are_refused(shipment: Callable[..., Shipment], tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(ExportError, match="at least 5 pods and at most 2"):
        export(Kubernetes(replicas=5, most_replicas=2), shipment(), tmp_path / "k")
    assert not (tmp_path / "k").exists()
