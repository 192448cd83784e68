"""A recipe to start from, and the reason for each column."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.privacy.protection import Protection
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.suggest import Suggestion, suggest
from penstock.features.tail import LINEAR

N = 400
GENERATOR = np.random.default_rng(0)
Y = GENERATOR.integers(0, 2, N)


def _suggest(
    task: Task = Task.BINARY, y: np.ndarray = Y, warnings=None, **columns
) -> tuple[Suggestion, Frame, list[ColumnSpec]]:
    kinds = {name: Kind(kind) for name, (kind, _) in columns.items()}
    frame = Frame({n: typed_array(list(v), kinds[n]) for n, (_, v) in columns.items()}, kinds)
    specs = [ColumnSpec(name, kind) for name, kind in kinds.items()]
    return suggest(specs, frame, y, task, "left", warnings), frame, specs


def _reason(suggestion: Suggestion, column: str):
    return next(reason for reason in suggestion.reasons if reason.column == column)


def test_the_suggested_recipe_can_be_fitted_as_it_is():
    """For a table of every kind, with odd names."""
    suggestion, frame, specs = _suggest(
        **{
            "age": ("numeric", GENERATOR.normal(size=N)),
            "job.title": ("categorical", GENERATOR.choice(["a", "b", "ç"], N)),
            "town": ("categorical", [f"t{i}" for i in GENERATOR.integers(0, 200, N)]),
            "loan?": ("binary", GENERATOR.choice(["yes", "no"], N)),
            "since": ("datetime", GENERATOR.integers(0, 10**15, N)),
            "a \"quoted\" 'name'\n": ("text", ["hello big world"] * N),
            "empty": ("numeric", [None] * N),
            "id": ("identifier", [str(i) for i in range(N)]),
            "same": ("constant", ["x"] * N),
        }
    )
    recipe = Recipe.parse(suggestion.text)
    recipe.check(specs)
    fitted = fit_recipe(recipe, LINEAR, frame, specs, Y, Task.BINARY, 0)
    assert fitted.transform(frame).shape[0] == N
    assert [r.column for r in suggestion.reasons] == list(frame.columns)


def test_a_personal_column_of_which_nothing_is_kept_is_not_called_constant():
    """It has one value for all rows because they were not let in, which may change."""
    frame = Frame(
        {"age": np.arange(N, dtype=float), "note": typed_array([None] * N, Kind.CONSTANT)},
        {"age": Kind.NUMERIC, "note": Kind.CONSTANT},
    )
    specs = [ColumnSpec("age", Kind.NUMERIC), ColumnSpec("note", Kind.CONSTANT, privacy=Protection("drop"))]
    reason = _reason(suggest(specs, frame, Y, Task.BINARY, "left"), "note")
    assert not reason.used
    assert "personal" in reason.why
    assert "penstock recipe suggest" in reason.why


def test_the_text_of_a_small_table():
    """As a person sees it."""
    suggestion, _, _ = _suggest(
        Task.REGRESSION,
        np.arange(4.0),
        age=("numeric", [1.0, 2.0, None, 4.0]),
        job=("categorical", ["a", "b", "c", "a"]),
        note=("text", ["one two three", "two", "three four", ""]),
        id=("identifier", ["1", "2", "3", "4"]),
    )
    assert suggestion.text == (
        "# Which columns the model sees, and how, to predict left. Suggested from 4 training rows;\n"
        "# yours to edit. A column is named alone (the learner then finishes it) or inside a step: standardise, one_hot,\n"
        "# ordinal, impute, missing_indicator, quantile_bin, date_parts, tfidf.\n"
        "\n"
        "# Few rows: about 5 features (without texts) for 4 training rows. With fewer than 10 rows for\n"
        "# each, a model finds patterns that are not there: leave out what cannot matter, and keep rare values together.\n"
        "\n"
        "outputs = [\n"
        '    "ALL_NUMERIC",\n'
        '    "ALL_CATEGORICAL",\n'
        '    "tfidf(ALL_TEXT, n=2, min_df=3)",\n'
        "]\n"
        "\n"
        "# Used:\n"
        "#   age   numeric, 3 values, 25.0 % missing\n"
        "#   job   categorical, 3 values\n"
        "#   note  text, 2 words on average: words and pairs of words, weighed by how rare they are\n"
        "\n"
        "# Left out:\n"
        "#   id  an identifier: it names rows, and would be learned by heart\n"
    )


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        ("identifier", [str(i) for i in range(N)], "an identifier"),
        ("constant", ["x"] * N, "one value for all rows"),
        ("categorical", ["x"] * N, "one value for all rows"),
        ("numeric", [None] * N, "no value in any training row"),
        ("numeric", [1.0, 2.0] + [None] * (N - 2), "99.5 % of the values are missing"),
    ],
)
def test_a_column_that_says_nothing_is_left_out_with_its_reason(kind, values, why):
    """And the other one is used by name."""
    suggestion, _, specs = _suggest(odd=(kind, values), age=("numeric", GENERATOR.normal(size=N)))
    reason = _reason(suggestion, "odd")
    assert not reason.used
    assert reason.why.startswith(why)
    Recipe.parse(suggestion.text).check(specs)
    assert "'odd'" not in suggestion.text.partition("# Used")[0]


def test_the_second_of_two_equal_columns_is_left_out():
    """With the name of the first; missing values are equal too."""
    values = [None, *GENERATOR.normal(size=N - 1)]
    suggestion, _, _ = _suggest(first=("numeric", values), again=("numeric", values))
    assert _reason(suggestion, "first").used
    assert _reason(suggestion, "again").why == "the same values as 'first' in every row"
    assert '"first",' in suggestion.text


@pytest.mark.parametrize("kind", ["numeric", "categorical", "datetime"])
def test_a_column_that_tells_the_target_is_kept_with_a_warning(kind):
    """It stands at the top of the file; an honest column beside it does not."""
    leak = {"numeric": Y * 2.5 + 1, "categorical": [f"v{y}" for y in Y], "datetime": Y * 10**12}[kind]
    suggestion, _, _ = _suggest(leak=(kind, leak), honest=("numeric", GENERATOR.normal(size=N) + Y))
    assert _reason(suggestion, "leak").used
    assert "tells 'left' almost alone" in (_reason(suggestion, "leak").warning or "")
    assert _reason(suggestion, "honest").warning is None
    assert "# Look at first:\n#   leak: tells 'left' almost alone" in suggestion.text


def test_a_leak_is_seen_in_a_regression_and_in_rows_that_alternate():
    """The target in another unit; classes in turn."""
    y = GENERATOR.lognormal(size=N)
    suggestion, _, _ = _suggest(
        Task.REGRESSION, y, leak=("numeric", y * 1.2), honest=("numeric", y + GENERATOR.normal(size=N))
    )
    assert _reason(suggestion, "leak").warning
    assert not _reason(suggestion, "honest").warning
    y = np.arange(N) % 2
    assert _reason(_suggest(Task.BINARY, y, leak=("numeric", y))[0], "leak").warning


def test_many_values_are_put_together_where_they_are_rare():
    """As one-hot with a rare group; the column with few values is the learner's business."""
    suggestion, _, _ = _suggest(
        town=("categorical", [f"t{i}" for i in GENERATOR.integers(0, 120, N)]),
        job=("categorical", GENERATOR.choice(["a", "b"], N)),
    )
    assert '"job",\n    "one_hot(town, min_frequency=3, max_categories=100)"' in suggestion.text


def test_only_parts_of_instants_that_differ_are_taken():
    """A column of days has no hours; a column within one year no year."""
    suggestion, _, _ = _suggest(day=("datetime", [86_400_000_000 * (i % 60) for i in range(N)]))
    assert "date_parts(ALL_DATETIME, 'month day weekday')" in suggestion.text


def test_names_of_groups_keep_clear_of_names_of_columns():
    """A column may well be called as a group would be."""
    generator = np.random.default_rng(1)
    suggestion, _, specs = _suggest(
        numeric_columns=("numeric", generator.normal(size=N)),
        b=("numeric", generator.normal(size=N)),
        c=("numeric", [7.0] * N),
    )
    assert "numeric_columns_ = \"group('numeric_columns', 'b')\"" in suggestion.text
    Recipe.parse(suggestion.text).check(specs)


def test_what_is_known_from_elsewhere_stands_with_the_column():
    """Such as a sentinel that ingest reported."""
    suggestion, _, _ = _suggest(
        warnings={"days": ["999 occurs in 96 % of rows"]}, days=("numeric", GENERATOR.normal(size=N))
    )
    assert "#   days: 999 occurs in 96 % of rows" in suggestion.text


def test_thousands_of_columns_do_not_make_thousands_of_lines():
    """Nobody reads them."""
    suggestion, _, _ = _suggest(**{f"c{j}": ("numeric", GENERATOR.normal(size=20)) for j in range(500)}, y=Y[:20])
    assert "#   and 400 more" in suggestion.text


def test_a_table_without_inputs_is_told_so_by_the_check():
    """The suggestion itself is still a recipe."""
    suggestion, _, specs = _suggest(id=("identifier", [str(i) for i in range(N)]))
    with pytest.raises(Exception, match="the outputs name no column"):
        Recipe.parse(suggestion.text).check(specs)


@pytest.mark.parametrize(("n", "warns"), [(100, True), (2000, False)])
def test_a_table_with_few_rows_for_its_width_is_warned_of(n, warns):
    """The curse of dimensionality, in the text that a person reads first; 30 numbers and a category here."""
    generator = np.random.default_rng(0)
    numbers = {f"x{i}": ("numeric", generator.normal(size=n).tolist()) for i in range(30)}
    suggestion, _, _ = _suggest(
        Task.REGRESSION,
        generator.normal(size=n),
        **numbers,
        job=("categorical", generator.choice(list("abcd"), n).tolist()),
    )
    assert ("# Few rows: about 34 features (without texts) for 100 training rows." in suggestion.text) is warns
    assert ("Few rows" in suggestion.text) is warns


@pytest.mark.parametrize(("n", "warns"), [(100, True), (3000, False)])
def test_pictures_are_brought_to_a_size_whose_width_counts(n, warns):
    """Their pixels are features like any other: 256 of them; a text beside them is no picture."""
    pictures = [f"data:image/png;base64,{i:08}" for i in range(n)]
    suggestion, _, _ = _suggest(
        y=np.arange(n) % 2, picture=("text", pictures), note=("text", [f"free prize number {i}" for i in range(n)])
    )
    assert Recipe.parse(suggestion.text).outputs[0].expression.function == "pixels"
    assert _reason(suggestion, "picture").why == "images, by their pixels: 16 x 16 of them, in grey"
    assert "on average" in _reason(suggestion, "note").why
    assert ("# Few rows: about 256 features (without texts) for 100 training rows." in suggestion.text) is warns
    assert ("Few rows" in suggestion.text) is warns


def test_the_column_that_rows_are_dealt_by_is_left_out() -> None:
    """No row of another part has any of its values."""
    _, frame, specs = _suggest(
        cust=("categorical", [f"c{i % 9}" for i in range(N)]), age=("numeric", GENERATOR.normal(size=N))
    )
    suggestion = suggest(specs, frame, Y, Task.BINARY, "left", group="cust")
    reason = _reason(suggestion, "cust")
    assert (reason.used, "dealt" in reason.why) == (False, True)
    assert _reason(suggestion, "age").used
