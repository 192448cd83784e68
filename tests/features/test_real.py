"""Every real table passes through suggest -> fit -> apply."""

from __future__ import annotations

import base64
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import pack
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.suggest import suggest
from penstock.features.tail import LINEAR, TREES

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
COMPAS = [
    "id",
    "compas_screening_date",
    "sex",
    "age",
    "age_cat",
    "race",
    "juv_fel_count",
    "decile_score",
    "juv_misd_count",
    "juv_other_count",
    "priors_count",
    "days_b_screening_arrest",
    "c_jail_in",
    "c_jail_out",
    "c_offense_date",
    "c_arrest_date",
    "c_days_from_compas",
    "c_charge_degree",
    "c_charge_desc",
    "is_recid",
    "r_charge_degree",
    "r_days_from_arrest",
    "r_offense_date",
    "r_charge_desc",
    "r_jail_in",
    "r_jail_out",
    "violent_recid",
    "is_violent_recid",
    "vr_charge_degree",
    "vr_offense_date",
    "vr_charge_desc",
    "type_of_assessment",
    "decile_score_2",
    "score_text",
    "screening_date",
    "v_type_of_assessment",
    "v_decile_score",
    "v_score_text",
    "v_screening_date",
    "in_custody",
    "out_custody",
    "priors_count_2",
    "start",
    "end",
    "event",
    "two_year_recid",
]
"""Its file has two columns of one name, twice: they are named, as `--columns` does."""
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "bank_marketing/bank-additional-full.csv.gz": ("y", {}),
    "adult/adult.csv.gz": ("income", {}),
    "california_housing/housing.csv.gz": ("median_house_value", {}),
    "titanic/titanic.csv": ("Survived", {}),
    "covertype_sample/covtype.csv.gz": ("Cover_Type", {}),
    "sms_spam/SMSSpamCollection.tsv": ("c1", {"header": False, "quote": "none"}),
    "german_credit/german.csv": ("c21", {"header": False}),
    "elec2/elec.csv.gz": ("class", {}),
    "compas/compas-scores-two-years.csv.gz": ("two_year_recid", {"columns": tuple(COMPAS)}),
    "imdb_reviews/imdb_25k.csv.gz": ("label", {}),
    "kddcup99/kddcup.data_10_percent.gz": ("c42", {"header": False}),
}
LARGE = ("imdb_reviews/imdb_25k.csv.gz", "kddcup99/kddcup.data_10_percent.gz", "covertype_sample/covtype.csv.gz")


@pytest.mark.real
@pytest.mark.parametrize("file", [pytest.param(f, marks=pytest.mark.slow) if f in LARGE else f for f in TABLES])
def test_a_real_table_passes_through(file: str) -> None:
    """The suggested recipe is taken as it is, and a row alone gives the bits of the batch."""
    from penstock.data.infer import infer
    from penstock.data.sources.file import read
    from penstock.objects.tabular import ReadOptions

    if not (DATA / file).exists():
        pytest.skip(f"the real data sets are not here: {DATA}")
    target, options = TABLES[file]
    source = read(DATA / file, ReadOptions(**options))
    n_rows = len(source.columns[target].codes)
    found = infer(source.columns, target, np.arange(n_rows))
    specs = found.decoder.columns
    frame, _ = found.decoder.decode_columns({spec.name: source.columns[spec.name] for spec in specs})
    y, _ = found.decoder.decode_target_columns(source.columns[target])
    sample = np.random.default_rng(0).permutation(n_rows)[:3000]
    _passes(specs, frame.take(sample), y[sample], found.task, target)


@pytest.mark.real
def test_real_pictures_pass_through() -> None:
    """400 of Fashion-MNIST, by their pixels; there are too few of them for so many, which is said."""
    images = pytest.importorskip("PIL.Image")
    folder = DATA / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not here: {DATA}")
    pixels = np.frombuffer(gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    y = np.frombuffer(gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)[:400]
    urls = []
    for picture in pixels.reshape(-1, 28, 28)[:400]:
        body = io.BytesIO()
        images.fromarray(picture).save(body, "PNG")
        urls.append("data:image/png;base64," + base64.b64encode(body.getvalue()).decode())
    frame = Frame({"image": typed_array(urls, Kind.TEXT)}, {"image": Kind.TEXT}, len(urls))
    text = _passes([ColumnSpec("image", Kind.TEXT)], frame, y.astype(np.int64), Task.MULTICLASS, "label")
    assert '"pixels(ALL_TEXT, 16, 16)"' in text
    assert "# Few rows: about 256 features" in text


def _passes(specs: list[ColumnSpec], frame: Frame, y: np.ndarray, task: Task, target: str) -> str:
    """Suggest, fit and apply, as each kind of learner wants it; the text of the suggestion."""
    suggestion = suggest(specs, frame, y, task, target)
    assert len(suggestion.reasons) == len(specs)
    for tail in (TREES, LINEAR):
        fitted = fit_recipe(Recipe.parse(suggestion.text), tail, frame, specs, y, task, 0)
        features = fitted.transform(frame)
        dense = features if isinstance(features, np.ndarray) else features[:50].toarray()
        assert features.shape == (len(frame), len(fitted.names))
        if tail is LINEAR:
            assert np.isfinite(dense).all()
        session = open_session(fitted.model())
        for i in range(0, 50, 7):
            one = session.run(None, pack(frame.take(slice(i, i + 1)), fitted.layout))[0]
            assert np.array_equal(one[0], dense[i], equal_nan=True)
    return suggestion.text
