"""The registry of interchangeable parts: built-in parts and plug-ins come through the same door.

A part is a class that a distribution names under an entry-point group, such as ``penstock.steps``. Built-in parts are
listed in the same form in `BUILT_IN` (so that a source checkout works too) and are loaded only when asked for.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from penstock.errors import DeclarationError, MissingExtra

BUILT_IN: dict[str, dict[str, str]] = {
    "penstock.steps": {
        "as_category": "penstock.features.steps.as_category:AsCategory",
        "cartesian": "penstock.features.steps.cartesian:Cartesian",
        "characters": "penstock.features.steps.characters:Characters",
        "clamp": "penstock.features.steps.clamp:Clamp",
        "counts": "penstock.features.steps.counts:Counts",
        "date_parts": "penstock.features.steps.date_parts:DateParts",
        "embed": "penstock.features.steps.embed:Embed",
        "hash": "penstock.features.steps.hash:Hash",
        "impute": "penstock.features.steps.impute:Impute",
        "impute_by_group": "penstock.features.steps.impute_by_group:ImputeByGroup",
        "impute_nearest": "penstock.features.steps.impute_nearest:ImputeNearest",
        "kmeans_bin": "penstock.features.steps.kmeans_bin:KmeansBin",
        "log": "penstock.features.steps.log:Log",
        "lowercase": "penstock.features.steps.lowercase:Lowercase",
        "min_max": "penstock.features.steps.min_max:MinMax",
        "missing_indicator": "penstock.features.steps.missing_indicator:MissingIndicator",
        "ngram": "penstock.features.steps.ngram:Ngram",
        "no_punct": "penstock.features.steps.no_punct:NoPunct",
        "one_hot": "penstock.features.steps.one_hot:OneHot",
        "ordinal": "penstock.features.steps.ordinal:Ordinal",
        "osb": "penstock.features.steps.osb:Osb",
        "pca": "penstock.features.steps.pca:Pca",
        "pixels": "penstock.features.steps.pixels:Pixels",
        "polynomial": "penstock.features.steps.polynomial:Polynomial",
        "power": "penstock.features.steps.power:Power",
        "products": "penstock.features.steps.products:Products",
        "quantile_bin": "penstock.features.steps.quantile_bin:QuantileBin",
        "random_projection": "penstock.features.steps.random_projection:RandomProjection",
        "robust_scale": "penstock.features.steps.robust_scale:RobustScale",
        "select_information": "penstock.features.steps.select_information:SelectInformation",
        "select_l1": "penstock.features.steps.select_l1:SelectL1",
        "select_permutation": "penstock.features.steps.select_permutation:SelectPermutation",
        "select_variance": "penstock.features.steps.select_variance:SelectVariance",
        "standardise": "penstock.features.steps.standardise:Standardise",
        "target_encode": "penstock.features.steps.target_encode:TargetEncode",
        "text_length": "penstock.features.steps.text_length:TextLength",
        "tfidf": "penstock.features.steps.tfidf:Tfidf",
        "tokens": "penstock.features.steps.tokens:Tokens",
        "tree_bin": "penstock.features.steps.tree_bin:TreeBin",
        "truncated_svd": "penstock.features.steps.truncated_svd:TruncatedSvd",
        "uniform_bin": "penstock.features.steps.uniform_bin:UniformBin",
        "whiten": "penstock.features.steps.whiten:Whiten",
    },
    "penstock.exports": {
        "airflow": "penstock.packaging.exports.as_airflow:Airflow",
        "browser": "penstock.packaging.exports.in_browser:Browser",
        "container": "penstock.packaging.exports.as_container:Container",
        "grafana": "penstock.packaging.exports.as_grafana:Grafana",
        "kubernetes": "penstock.packaging.exports.as_kubernetes:Kubernetes",
        "onnx": "penstock.packaging.exports.as_onnx:Onnx",
        "prometheus": "penstock.packaging.exports.as_prometheus:Prometheus",
        "wheel": "penstock.packaging.exports.as_wheel:Wheel",
    },
    "penstock.learners": {
        "dummy": "penstock.learning.learners.dummy:Dummy",
        "forest": "penstock.learning.learners.forest:Forest",
        "lightgbm": "penstock.learning.learners.lightgbm:LightGBM",
        "linear": "penstock.learning.learners.linear:Linear",
    },
    "penstock.recognisers": {
        "address": "penstock.data.privacy.recognisers.address:Address",
        "be_nn": "penstock.data.privacy.recognisers.be_nn:BeNn",
        "birth_in_text": "penstock.data.privacy.recognisers.birth_in_text:BirthInText",
        "br_cpf": "penstock.data.privacy.recognisers.br_cpf:BrCpf",
        "ca_sin": "penstock.data.privacy.recognisers.ca_sin:CaSin",
        "card": "penstock.data.privacy.recognisers.card:Card",
        "ch_ssn": "penstock.data.privacy.recognisers.ch_ssn:ChSsn",
        "cn_ric": "penstock.data.privacy.recognisers.cn_ric:CnRic",
        "date_of_birth": "penstock.data.privacy.recognisers.date_of_birth:DateOfBirth",
        "de_idnr": "penstock.data.privacy.recognisers.de_idnr:DeIdnr",
        "email": "penstock.data.privacy.recognisers.email:Email",
        "es_dni": "penstock.data.privacy.recognisers.es_dni:EsDni",
        "fi_hetu": "penstock.data.privacy.recognisers.fi_hetu:FiHetu",
        "fr_nir": "penstock.data.privacy.recognisers.fr_nir:FrNir",
        "geo": "penstock.data.privacy.recognisers.geo:Geo",
        "iban": "penstock.data.privacy.recognisers.iban:Iban",
        "in_aadhaar": "penstock.data.privacy.recognisers.in_aadhaar:InAadhaar",
        "ip": "penstock.data.privacy.recognisers.ip:Ip",
        "it_codicefiscale": "penstock.data.privacy.recognisers.it_codicefiscale:ItCodiceFiscale",
        "mac": "penstock.data.privacy.recognisers.mac:Mac",
        "nl_bsn": "penstock.data.privacy.recognisers.nl_bsn:NlBsn",
        "no_fodselsnummer": "penstock.data.privacy.recognisers.no_fodselsnummer:NoFodselsnummer",
        "person_name": "penstock.data.privacy.recognisers.person_name:PersonName",
        "phone": "penstock.data.privacy.recognisers.phone:Phone",
        "pl_pesel": "penstock.data.privacy.recognisers.pl_pesel:PlPesel",
        "postcode": "penstock.data.privacy.recognisers.postcode:Postcode",
        "se_personnummer": "penstock.data.privacy.recognisers.se_personnummer:SePersonnummer",
        "uk_nhs": "penstock.data.privacy.recognisers.uk_nhs:UkNhs",
        "uk_nino": "penstock.data.privacy.recognisers.uk_nino:UkNino",
        "us_ssn": "penstock.data.privacy.recognisers.us_ssn:UsSsn",
    },
    "penstock.sources": {
        "bucket": "penstock.data.sources.remote:Bucket",
        "file": "penstock.data.sources.file:LocalFile",
        "folder": "penstock.data.sources.files:Folder",
        "glob": "penstock.data.sources.files:Glob",
        "images": "penstock.data.sources.images:ImageFolder",
        "sql": "penstock.data.sources.sql:Query",
        "texts": "penstock.data.sources.texts:TextFolder",
    },
}


@cache
def names(group: str) -> tuple[str, ...]:
    """Names of all parts of a group, sorted."""
    return tuple(sorted({**_targets(group), **_OWN.get(group, {})}))


@cache
def load(group: str, name: str) -> Any:
    """The class registered under `name`.

    Raises
    ------
    DeclarationError : there is no such part; the message names the nearest.
    """
    targets, own = _targets(group), _OWN.get(group, {})
    if name in own:
        return own[name]
    if name not in targets:
        kind = group.partition(".")[2].rstrip("s") or group
        near = difflib.get_close_matches(name, targets, 1)
        raise DeclarationError(
            f"there is no {kind} {name!r}",
            why=f"known are: {', '.join(sorted(targets))}",
            way_out=f"write {near[0]!r}" if near else "use one of these, or install the plug-in that brings it",
        )
    module, _, attribute = targets[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


_OWN: dict[str, dict[str, Any]] = {}
"""Parts that were added in this process: group -> name -> class."""


def add(group: str, added: dict[str, Any]) -> None:
    """Make classes known in this process, beside those that are installed; a later one of a name takes the earlier one's place.

    Raises
    ------
    DeclarationError : the name is that of a built-in or installed part.
    """
    for name in added:
        if name in _targets(group):
            raise DeclarationError(
                f"{name!r} is the name of a part that is there already",
                why=f"{_targets(group)[name].partition(':')[0]} has it",
                way_out="give yours another name",
            )
    _OWN.setdefault(group, {}).update(added)
    names.cache_clear()
    load.cache_clear()


@cache
def _targets(group: str) -> dict[str, str]:
    """Name -> "module:attribute". A plug-in may not take a built-in name."""
    built_in = BUILT_IN.get(group, {})
    return {**{p.name: p.value for p in entry_points(group=group)}, **built_in}


def need(module: str, *, extra: str, used_for: str) -> ModuleType:
    """Import an optional dependency, or say how to install it.

    Raises
    ------
    MissingExtra : the package is not installed. (One that is installed but broken raises its own error.)
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtra(
            f"{used_for} needs the package {module!r}",
            why="it is optional and not installed here",
            way_out=f'pip install "penstock[{extra}]"',
        ) from error
