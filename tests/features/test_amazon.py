"""Recipes of Amazon Machine Learning load unchanged, with the meaning that they have there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.preparing import reader_of
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.plan import Result, Source
from penstock.features.recipe import Recipe
from penstock.features.resolve import resolve
from penstock.features.tail import LINEAR, TREES

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

BANK = """{"groups": {"NUMERIC_VARS_QB_50": "group('emp_var_rate','cons_price_idx')", "NUMERIC_VARS_QB_500": "group('age','campaign')",
"NUMERIC_VARS_QB_10": "group('duration','euribor3m','previous','cons_conf_idx','pdays','nr_employed')"}, "assignments": {},
"outputs": ["ALL_BINARY", "ALL_CATEGORICAL", "quantile_bin(NUMERIC_VARS_QB_50,50)", "quantile_bin(NUMERIC_VARS_QB_500,500)",
"quantile_bin(NUMERIC_VARS_QB_10,10)"]}"""

EVERYTHING = """\
{
  "groups": {
    "LONGTEXT": "group_remove(ALL_TEXT, title, subject)",
    "SPECIALTEXT": "group(title, subject)",
    "BINCAT": "group(ALL_CATEGORICAL, ALL_BINARY)"
  },
  "assignments": {
    "binned_age": "quantile_bin(age,30)",
    "country_gender_interaction": "cartesian(country, gender)"
  },
  "outputs": [
    "lowercase(no_punct(LONGTEXT))",
    "ngram(lowercase(no_punct(SPECIALTEXT)),3)",
    "osb(body, 5)",
    "normalize(hours_per_week)",
    "quantile_bin(hours-per-week, 10)",
    "cartesian(binned_age, quantile_bin(hours-per-week,10))", // the one that matters
    "country_gender_interaction",
    "BINCAT"
  ]
}
"""

SPECS = [
    ColumnSpec("age", Kind.NUMERIC),
    ColumnSpec("hours-per-week", Kind.NUMERIC),
    ColumnSpec("country", Kind.CATEGORICAL),
    ColumnSpec("gender", Kind.BINARY),
    ColumnSpec("title", Kind.TEXT),
    ColumnSpec("subject", Kind.TEXT),
    ColumnSpec("body", Kind.TEXT),
]
COLUMNS = {
    "age": ("numeric", [20.0, 30.0, 40.0, None]),
    "hours-per-week": ("numeric", [10.0, 20.0, 30.0, 40.0]),
    "country": ("categorical", ["fr", "de", "fr", "de"]),
    "gender": ("binary", ["f", "m", "m", None]),
    "title": ("text", ["Red, green", "red green", "Blue", None]),
    "subject": ("text", ["a b c", "a b c", "a b", "a"]),
    "body": ("text", ["The quick fox!", "the quick fox", "The quick fox!", "fox"]),
}


def _recipe(outputs: list[str], **sections: dict[str, str]) -> Recipe:
    return Recipe.parse(json.dumps({"groups": {}, "assignments": {}, **sections, "outputs": outputs}))


def test_a_recipe_with_everything_is_taken_unchanged() -> None:
    """Groups, assignments, all seven transformations, a comment; and it stays the same when it is stored."""
    recipe = Recipe.parse(EVERYTHING)
    recipe.check(SPECS)
    assert recipe.dialect == "amazon"
    stored = recipe.canonical()
    assert stored.startswith('dialect = "amazon"\n')
    assert Recipe.parse(stored) == recipe


def test_a_recipe_with_everything_is_fitted_for_every_learner(table) -> None:
    """The tails finish texts and categories."""
    frame, specs = table(**COLUMNS)
    for tail in (LINEAR, TREES):
        fitted = fit_recipe(Recipe.parse(EVERYTHING), tail, frame, specs, None, Task.REGRESSION, 0)
        assert fitted.transform(frame).shape == (4, fitted.width)


def test_texts_are_split_at_whitespace_and_left_as_they_are_written(table) -> None:
    """ "red," and "Red" are words of their own; n-grams imply the smaller ones."""
    frame, specs = table(**COLUMNS)
    recipe = _recipe(["ngram(title, 2)"])
    fitted = fit_recipe(recipe, None, frame, specs, None, Task.REGRESSION, 0)
    assert fitted.names == ("title [tokens]: green",)  # the only one that two texts have
    several = _recipe(["ngram(subject, 3)"])
    fitted = fit_recipe(several, None, frame, specs, None, Task.REGRESSION, 0)
    assert [n.removeprefix("subject [tokens]: ") for n in fitted.names] == ["a", "b", "c", "a b", "b c", "a b c"]


def test_osb_pairs_with_underscores(table) -> None:
    """One for each step; no single words."""
    frame, specs = table(**COLUMNS)
    fitted = fit_recipe(_recipe(["ngram(osb(body, 4), 1)"]), None, frame, specs, None, Task.REGRESSION, 0)
    assert [n.removeprefix("body [osb 4]: ") for n in fitted.names] == ["The__fox!", "The_quick", "quick_fox!"]


def test_quantile_bin_gives_categories_and_trees_take_their_numbers() -> None:
    """A linear model sees one output for each bin, a tree the bins in their order."""
    plan = resolve(_recipe(["quantile_bin(age, 10)"]), SPECS)
    (piece,) = plan.outputs
    assert piece.kind is Kind.CATEGORICAL
    steps = [node.step for node in resolve(_recipe(["quantile_bin(age, 10)"]), SPECS, LINEAR).nodes.values()]
    assert steps == ["quantile_bin", "as_category", "one_hot"]
    (piece,) = resolve(_recipe(["quantile_bin(age, 10)"]), SPECS, TREES).outputs
    assert isinstance(piece, Result)
    assert piece.kind is Kind.NUMERIC


def test_cartesian_joins_bins_with_categories(table) -> None:
    """Missing where one of them is missing; -1 is the bin of missing numbers."""
    frame, specs = table(**COLUMNS)
    recipe = _recipe(["cartesian(quantile_bin(age, 3), country, gender)"])
    fitted = fit_recipe(recipe, LINEAR, frame, specs, None, Task.REGRESSION, 0)
    assert [name.removeprefix("quantile_bin(age, bins=3) x country x gender is ") for name in fitted.names] == [
        "rare",
        "missing",
    ]
    plan = resolve(recipe, SPECS)
    assert [node.step for node in plan.nodes.values()] == ["quantile_bin", "as_category", "cartesian"]


def test_cartesian_joins_each_word_of_a_text_with_a_category() -> None:
    """By the decoder: the result is a text again."""
    (piece,) = resolve(_recipe(["cartesian(no_punct(title), country)"]), SPECS).outputs
    assert isinstance(piece, Source)
    assert (piece.name, piece.kind, piece.columns) == ("title [no_punct] x country", Kind.TEXT, ("title", "country"))
    _recipe(["cartesian(title, quantile_bin(age, 3))"]).check(SPECS)
    with pytest.raises(RecipeError, match="'cartesian' cannot follow a step of the graph"):
        _recipe(["cartesian(title, cartesian(country, gender))"]).check(SPECS)


@pytest.mark.parametrize(
    ("text", "place", "what", "rest"),
    [
        ('{"outputs": ["agee"]}', (1, 15), "there is no column", "did you mean 'age'?"),
        ('{\n "outputs": [\n  "ngram(lowercase(agee), 2)"]}', (3, 20), "there is no column", "did you mean 'age'?"),
        ('{"outputs": ["a\\u0067ee"]}', (1, 15), "there is no column", "did you mean 'age'?"),
        ('{"outputs": []}', (1, 2), "the recipe has no outputs", "ALL_INPUTS"),
        ("{}", (1, 1), "the recipe has no outputs", "ALL_INPUTS"),
        ('{"outputs": ["age"],}', (1, 21), "found '}'", "a name in double quotes"),
        ("[1, 2]", (1, 1), "found '['", "'{'"),
        ('{"outputs": ["age"', (1, 19), "found the end of the file", "',' or ']'"),
        ('{"outputs": ["age"]} x', (1, 22), "found 'x'", "the end of the file"),
        ('{"outputs" ["age"]}', (1, 12), "found '['", "':'"),
        ("{\"outputs\": ['age']}", (1, 14), 'found "\'"', "a text in double quotes"),
        ('{"outputs": ["age]}', (1, 14), "a text does not end", "closing double quote"),
        ('{"outputs": ["a\\x"]}', (1, 14), "a text cannot be read", "backslash"),
        ('{"outputs": ["age"], "outputs": ["age"]}', (1, 22), "'outputs' is given twice", "remove"),
        ('{"group": {}, "outputs": ["age"]}', (1, 2), "unknown section 'group'", "did you mean 'groups'?"),
        ('{"groups": 3, "outputs": ["age"]}', (1, 2), "'groups' is not a table", '"groups": {}'),
        ('{"groups": {"g": 3}, "outputs": ["g"]}', (1, 13), "'g' is not an expression", "found 3"),
        ('{"outputs": "age"}', (1, 2), "'outputs' is not a list of texts", "ALL_INPUTS"),
        (
            '{"assignments": {"a": "quantile_bin(b, 5)",\n "b": "quantile_bin(a, 5)"}, "outputs": ["a"]}',
            (2, 21),
            "'a' is defined by itself",
            "a -> b -> a",
        ),
        ('{"outputs": ["osb(title, 11)"]}', (1, 26), "parameter 'size' of 'osb' is 11", "from 2 to 10"),
        ('{"outputs": ["normalise_(age)"]}', (1, 15), "there is no step 'normalise_'", "did you mean 'normalise'?"),
        ('{"outputs": ["lowercase(age)"]}', (1, 25), "does not take column 'age'", "text"),
        ('{"outputs": ["cartesian(country)"]}', (1, 15), "is given 1 column arguments", "at least 2"),
        ('{"outputs": ["lowercase(cartesian(country, gender))"]}', (1, 25), "cannot follow a step", "innermost"),
    ],
)
def test_an_error_points_into_the_json(text: str, place: tuple[int, int], what: str, rest: str) -> None:
    """Line and column of the file, as in TOML."""
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text, name="recipe.json").check(SPECS)
    error = caught.value
    assert error.what.startswith(f"recipe.json, line {error.line}, column {error.column}: ")
    assert (error.line, error.column) == place
    assert what in error.what
    assert rest in f"{error.what}\n{error.why}\n{error.way_out}"


def test_json_without_end_is_refused() -> None:
    """Before Python's own recursion ends."""
    with pytest.raises(RecipeError, match="nested more than 20 deep"):
        Recipe.parse('{"outputs": ' + "[" * 100_000)


def test_an_unknown_dialect_is_refused() -> None:
    """With the nearest one."""
    with pytest.raises(RecipeError, match="there is no dialect 'amazn'") as caught:
        Recipe.parse('dialect = "amazn"\noutputs = ["age"]')
    assert (caught.value.line, caught.value.column) == (1, 1)
    assert "did you mean 'amazon'?" in caught.value.way_out


@pytest.mark.real
def test_the_recipe_of_the_bank_data_loads_unchanged() -> None:
    """Names with underscores mean the columns with dots; a row alone gives the bits of the batch."""
    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import pack
    from penstock.data.infer import infer
    from penstock.data.sources.file import read
    from penstock.objects.tabular import ReadOptions

    file = DATA / "bank_marketing/bank-additional-full.csv.gz"
    if not file.exists():
        pytest.skip(f"the real data sets are not here: {DATA}")
    source = read(file, ReadOptions())
    found = infer(source.columns, "y", np.arange(len(source.columns["y"].codes)))
    frame, _ = found.decoder.decode_columns(source.columns)
    specs = found.decoder.columns
    frame = frame.take(np.random.default_rng(0).permutation(len(frame))[:8000])
    recipe = Recipe.parse(BANK)
    plan = resolve(recipe, specs)
    bins = {dict(node.params)["bins"]: node for node in plan.nodes.values() if node.step == "quantile_bin"}
    assert {n: [p.name for p in node.inputs[0] if isinstance(p, Source)] for n, node in bins.items()} == {
        50: ["emp.var.rate", "cons.price.idx"],
        500: ["age", "campaign"],
        10: ["duration", "euribor3m", "previous", "cons.conf.idx", "pdays", "nr.employed"],
    }
    assert {source.name for source in plan.sources} == {spec.name for spec in specs}
    for tail, least in ((LINEAR, 150), (TREES, 20)):
        fitted = fit_recipe(recipe, tail, frame, specs, None, Task.BINARY, 0)
        features = fitted.transform(frame)
        assert fitted.width >= least
        assert np.isfinite(features).all()
        session = open_session(fitted.model())
        for i in range(0, 40, 7):
            one = session.run(None, pack(frame.take(slice(i, i + 1)), fitted.layout))[0]
            assert np.array_equal(one[0], features[i])


@pytest.mark.real
def test_real_messages_have_the_words_that_amazon_would_see() -> None:
    """Counts of n-grams as scikit-learn's vectorizer makes them of tokens that are split and stripped here."""
    import string

    from sklearn.feature_extraction.text import CountVectorizer

    from penstock.bundle.graph import open_session
    from penstock.bundle.packing import pack
    from penstock.data.infer import infer
    from penstock.data.sources.file import read
    from penstock.objects.tabular import ReadOptions

    file = DATA / "sms_spam/SMSSpamCollection.tsv"
    if not file.exists():
        pytest.skip(f"the real data sets are not here: {DATA}")
    source = read(file, ReadOptions(header=False, quote="none"))
    found = infer(source.columns, "c1", np.arange(len(source.columns["c1"].codes)))
    frame, _ = found.decoder.decode_columns(source.columns)
    ascii_only = np.array([text is None or text.isascii() for text in frame["c2"]])  # where both mean the same marks
    frame = frame.take(ascii_only)
    recipe = _recipe(["ngram(lowercase(no_punct(c2)), 2)"])
    fitted = fit_recipe(recipe, None, frame, found.decoder.columns, None, Task.BINARY, 0)

    def split(text: str) -> list[str]:
        return [word for word in (token.strip(string.punctuation).lower() for token in text.split()) if word]

    theirs = CountVectorizer(tokenizer=split, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2)
    expected = theirs.fit_transform([text or "" for text in frame["c2"]])
    assert fitted.width == expected.shape[1] > 10_000
    order = [theirs.vocabulary_[name.partition(": ")[2]] for name in fitted.names]
    features = fitted.transform(frame)
    assert (features != expected.tocsc()[:, order].astype(np.float32)).nnz == 0
    session = open_session(fitted.model())
    for i in range(0, 60, 11):
        one = session.run(None, pack(frame.take(slice(i, i + 1)), fitted.layout))[0]
        assert np.array_equal(one[0], features[i].toarray()[0])


def test_the_recipe_in_the_documentation_is_taken() -> None:
    """docs/recipe.md shows one."""
    page = (Path(__file__).parents[2] / "docs/recipe.md").read_text(encoding="utf-8")
    shown = page.partition("```json\n")[2].partition("```")[0]
    names = {"age": Kind.NUMERIC, "balance": Kind.NUMERIC, "job": Kind.CATEGORICAL}
    names |= {"title": Kind.TEXT, "subject": Kind.TEXT, "body": Kind.TEXT}
    Recipe.parse(shown).check([ColumnSpec(name, kind) for name, kind in names.items()])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e300, 1e300), st.integers(-5, 5).map(float), st.sampled_from([1e9, 1e9 + 1])),
        min_size=4,
        max_size=40,
    ),
    st.sampled_from(["quantile_bin(x, 4)", "uniform_bin(x, 3)", "kmeans_bin(x, 3)", "tree_bin(x, 3, min_rows=1)"]),
    st.data(),
)
def test_bins_that_are_joined_with_a_text_are_those_of_the_graph(numbers, expression, data) -> None:
    """In bulk, row by row, and after the layout was stored; numbers of any size and those that are packed less an offset."""
    texts = [data.draw(st.sampled_from(["a b", "c", "A  c"])) for _ in numbers]
    frame = Frame(
        {"x": typed_array(numbers, Kind.NUMERIC), "t": typed_array(texts, Kind.TEXT)},
        {"x": Kind.NUMERIC, "t": Kind.TEXT},
    )
    specs = [ColumnSpec("x", Kind.NUMERIC), ColumnSpec("t", Kind.TEXT)]
    y = np.arange(len(numbers)) % 2
    outputs = [expression, f"ngram(cartesian(as_category({expression}), t), min_df=1)"]
    fitted = fit_recipe(Recipe.parse(f"outputs = {json.dumps(outputs)}"), None, frame, specs, y, Task.BINARY, 0)
    features = fitted.transform(frame)
    layout = Layout.from_json(json.loads(json.dumps(fitted.layout.to_json())))
    assert layout == fitted.layout
    joined = pack(frame, layout)["strings"][:, -1]
    for row, (text, bins) in enumerate(zip(texts, features[:, 0], strict=True)):
        assert joined[row] == " ".join(f"{int(bins)}_{word}" for word in text.split())
        alone = pack(frame.take(slice(row, row + 1)), layout)
        assert alone["strings"][0, -1] == joined[row]
    (tree,) = (tree for _, tree in layout.prepared)
    read = reader_of(tree)
    for row, (number, text) in enumerate(zip(numbers, texts, strict=True)):
        assert read([{"x": number, "t": text}[name] for name in tree.columns]) == joined[row]


def test_a_recipe_in_json_joins_bins_with_words(table) -> None:
    """As Amazon's own examples do; a missing number has a bin of its own."""
    frame, specs = table(age=("numeric", [20.0, 40.0, None] * 4), title=("text", ["red green", "blue!", "red"] * 4))
    recipe = _recipe(["cartesian(quantile_bin(age, 2), no_punct(title))"])
    fitted = fit_recipe(recipe, LINEAR, frame, specs, None, Task.REGRESSION, 0)
    assert pack(frame, fitted.layout)["strings"][:3, -1].tolist() == ["0_red 0_green", "1_blue", "-1_red"]
    assert fitted.names == tuple(
        f"age [quantile_bin bins=2] x title [no_punct]: {words}" for words in ("-1_red", "0_green", "0_red", "1_blue")
    )


def test_other_steps_of_the_graph_still_cannot_be_joined_with_a_text(table) -> None:
    """Scaled numbers before the bins are the graph's."""
    frame, specs = table(age=("numeric", [20.0, 30.0, 40.0, None]), title=("text", ["a", "b", "c", "d"]))
    with pytest.raises(RecipeError, match="cannot follow a step of the graph"):
        fit_recipe(
            _recipe(["cartesian(quantile_bin(normalize(age), 2), title)"]), None, frame, specs, None, Task.REGRESSION, 0
        )
