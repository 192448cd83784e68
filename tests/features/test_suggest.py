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
        "# Few rows: about 5 features (without texts) for 4 training rows. With fewer than 10 rows for each, a model finds\n"
        "# patterns that are not there: leave out what cannot matter, and keep rare values together.\n"
        "\n"
        "outputs = [\n"
        "    # numbers as they are: trees split them anywhere, a linear model brings them to one scale\n"
        '    "ALL_NUMERIC",\n'
        "    # few values: a linear model gets one column of 0 and 1 for each, trees their numbers by frequency\n"
        '    "ALL_CATEGORICAL",\n'
        "    # words and pairs of words, weighed by how rare they are: what is in every text tells nothing\n"
        '    "tfidf(ALL_TEXT, n=2, min_df=3)",\n'
        "]\n"
        "\n"
        "# Used:\n"
        "#   age   numeric, 3 values; 25.0 % missing: a linear model is told where, and takes the median there; trees take it as it is\n"
        "#   job   categorical, 3 values: few enough for a column each\n"
        "#   note  text, 2 words on average: words and pairs of words, weighed by how rare they are, of those in at least 3 rows\n"
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
    assert [output.expression for output in suggestion.outputs] == [
        "job",
        "one_hot(town, min_frequency=3, max_categories=100)",
    ]
    assert "the rare ones together" in _reason(suggestion, "town").why


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


MANY = 4_000
DRAWN = np.random.default_rng(7)


def _outputs(suggestion: Suggestion) -> list[str]:
    return [output.expression for output in suggestion.outputs]


def _chance(scores: np.ndarray) -> np.ndarray:
    return (DRAWN.random(len(scores)) < 1 / (1 + np.exp(-scores))).astype(np.int64)


def test_a_skewed_column_becomes_a_logarithm_only_where_that_tells_more():
    """Both have the same shape; of one the factor matters, of the other the amount. The figures are in the reason."""
    x = DRAWN.lognormal(0, 1.5, MANY)
    for score, expected in ((2 * np.log1p(x) - 2, ["log(ALL_NUMERIC)"]), (x - 1, ["ALL_NUMERIC"])):
        suggestion, _, _ = _suggest(Task.BINARY, _chance(score), x=("numeric", x))
        assert _outputs(suggestion) == expected
        assert "skewness" in _reason(suggestion, "x").why
        assert "held-out loss" in _reason(suggestion, "x").why
        assert ("no sure gain" in _reason(suggestion, "x").why) is (expected == ["ALL_NUMERIC"])


def test_a_skewed_column_that_says_nothing_stays_as_it_is():
    """Whatever its shape: a step needs a reason."""
    suggestion, _, _ = _suggest(Task.BINARY, DRAWN.integers(0, 2, MANY), x=("numeric", DRAWN.lognormal(0, 2, MANY)))
    assert _outputs(suggestion) == ["ALL_NUMERIC"]


def test_numbers_that_are_skewed_to_the_left_are_bent_by_a_power():
    """A logarithm is for the other side."""
    x = 200 - DRAWN.lognormal(2, 1, MANY)
    y = np.log(200 - x) + 0.1 * DRAWN.normal(size=MANY)
    suggestion, _, _ = _suggest(Task.REGRESSION, y, x=("numeric", x))
    assert _outputs(suggestion) == ["power(ALL_NUMERIC)"]


def test_a_few_extremes_are_pulled_in():
    """One row in a thousand is a thousand times as far away, and says nothing."""
    x = DRAWN.normal(size=MANY)
    y = x + 0.1 * DRAWN.normal(size=MANY)
    x[::1500] = [1e4, -1e4, 1e4]
    suggestion, _, _ = _suggest(Task.REGRESSION, y, x=("numeric", x))
    assert _outputs(suggestion) == ["clamp(ALL_NUMERIC, 0.001, 0.999)"]
    assert "standard deviations" in _reason(suggestion, "x").why


def test_extremes_beside_one_value_stay_and_are_told():
    """With these rows pulled in, nothing would be left of the column."""
    x = np.zeros(MANY)
    x[:6] = [-3, -2, -1, 1, 2, 3]  # each side less than 0.1%
    suggestion, _, _ = _suggest(Task.REGRESSION, DRAWN.normal(size=MANY), x=("numeric", x))
    why = _reason(suggestion, "x").why
    assert not any("clamp" in output for output in _outputs(suggestion)), why
    assert "standard deviations away, but without the outer 0.2% of the rows there is one value" in why
    assert "nothing beyond" not in why


def test_whether_there_is_anything_at_all_is_told_of_a_column_of_zeros():
    """Where it says something of its own, and there are rows enough; else nothing is added."""
    x = np.where(DRAWN.random(MANY) < 0.6, 0, DRAWN.integers(1, 40, MANY)).astype(float)
    y = _chance(3.0 * (x > 0) - 1.5)
    assert _outputs(_suggest(Task.BINARY, y, x=("numeric", x))[0])[1:] == ["clamp(ALL_NUMERIC, 0, 1.0, by=value)"]
    assert len(_outputs(_suggest(Task.BINARY, y[:900], x=("numeric", x[:900]))[0])) == 1
    assert _outputs(_suggest(Task.BINARY, _chance(x / 10 - 1), x=("numeric", x))[0]) == ["ALL_NUMERIC"]


def test_too_many_rare_values_are_told_by_the_target_of_the_other_rows():
    """Ones by one they would be most of the table's width; without a target it is told how often they occur."""
    town = ("categorical", [f"t{i}" for i in DRAWN.integers(0, 900, 1_000)])
    suggestion, frame, specs = _suggest(Task.BINARY, DRAWN.integers(0, 2, 1_000), town=town)
    assert _outputs(suggestion) == ["target_encode(ALL_CATEGORICAL)"]
    assert "rare ones" in _reason(suggestion, "town").why
    assert [o.expression for o in suggest(specs, frame, None, Task.BINARY, "left").outputs] == [
        "counts(ALL_CATEGORICAL, scale=log)"
    ]
    classes = _suggest(Task.MULTICLASS, DRAWN.integers(0, 20, 1_000), town=town)[0]
    assert _outputs(classes)[0].startswith("one_hot("), "twenty classes would be twenty columns"


def test_values_beyond_number_share_buckets():
    """The graph of a model does not list them all."""
    ids = [f"u{i}" for i in DRAWN.integers(0, 10**9, 12_000)]
    suggestion, _, _ = _suggest(Task.BINARY, DRAWN.integers(0, 2, 12_000), user=("categorical", ids))
    assert _outputs(suggestion) == ["target_encode(hash(ALL_CATEGORICAL, 4096))"]


def test_hours_become_a_cycle_where_midnight_is_like_the_hour_before():
    """Of a target that turns with the day, but not with the month, nor of one that goes straight through the day."""
    at = DRAWN.integers(0, 365 * 24, MANY) * 3_600_000_000
    hour = at // 3_600_000_000 % 24
    for score, cycle in ((3 * np.cos(2 * np.pi * hour / 24), True), (hour / 4 - 3, False)):
        suggestion, _, _ = _suggest(Task.BINARY, _chance(score), at=("datetime", at))
        assert ("date_parts(ALL_DATETIME, 'hour', cycles=true)" in _outputs(suggestion)) is cycle
        assert len(_outputs(suggestion)) == 1 + cycle
        assert ("as a cycle" in _reason(suggestion, "at").why) is cycle


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (lambda x: ("numeric", x * 1.8 + 32), "a multiple of 'first'"),
        (lambda x: ("numeric", -x), "a multiple of 'first'"),
    ],
)
def test_a_column_in_another_unit_says_nothing_more(again, why):
    """Trees and linear models alike."""
    x = DRAWN.normal(size=N)
    suggestion, _, _ = _suggest(first=("numeric", x), again=again(x))
    assert not _reason(suggestion, "again").used
    assert _reason(suggestion, "again").why.startswith(why)
    assert _reason(_suggest(first=("numeric", x), again=("numeric", x + 1e-3 * DRAWN.normal(size=N)))[0], "again").used


def test_one_huge_value_that_two_columns_share_makes_them_no_multiples():
    """Beside it all other values are small; a true multiple is still one, huge value, gaps and all."""
    x, other = DRAWN.normal(size=(2, N))
    other[::3] = 0.0
    x[3] = other[3] = 1e12
    x[7] = other[7] = np.nan
    for first, second in ((x, other), (other, x)):
        suggestion, _, _ = _suggest(
            first=("numeric", first), second=("numeric", second), again=("numeric", 32 - 1.8 * first)
        )
        assert [r.used for r in suggestion.reasons] == [True, True, False]
        assert "a multiple of 'first'" in _reason(suggestion, "again").why


def test_values_under_other_names_say_nothing_more():
    """Codes and their names; numbers that go with names keep their order, which trees use."""
    codes = DRAWN.integers(0, 5, N)
    suggestion, _, _ = _suggest(
        code=("categorical", [f"c{c}" for c in codes]),
        label=("categorical", [["north", "south", "east", "west", "none"][c] for c in codes]),
        number=("numeric", codes.astype(float)),
        other=("categorical", [f"c{c}" for c in DRAWN.integers(0, 5, N)]),
    )
    assert [r.used for r in suggestion.reasons] == [True, False, True, True]
    assert "one to one with those of 'code'" in _reason(suggestion, "label").why
    assert "trees need their order" in _reason(suggestion, "number").why


def test_a_column_that_hardly_ever_differs_is_left_out():
    """Four rows in two thousand teach nothing; ten may."""
    for differ, used in ((4, False), (10, True)):
        flags = np.zeros(2_000)
        flags[:differ] = 1
        suggestion, _, _ = _suggest(
            Task.BINARY,
            DRAWN.integers(0, 2, 2_000),
            flag=("numeric", flags),
            x=("numeric", DRAWN.normal(size=2_000)),
        )
        assert _reason(suggestion, "flag").used is used
    assert (
        "in all but 4 of 2,000 rows"
        in _reason(
            _suggest(Task.BINARY, DRAWN.integers(0, 2, 2_000), flag=("numeric", [1.0] * 4 + [0.0] * 1_996))[0], "flag"
        ).why
    )


def test_short_codes_are_read_by_their_characters():
    """Words that hardly ever come again."""
    codes = [f"AB-{i:04}/{'x' if y else 'z'}" for i, y in enumerate(Y)]
    assert _outputs(_suggest(code=("text", codes))[0]) == ["tfidf(characters(lowercase(ALL_TEXT)), n=3, min_df=3)"]


def test_every_output_and_every_column_has_its_reason():
    """Each is a comment in the file, too."""
    suggestion, _, _ = _suggest(
        a=("numeric", DRAWN.normal(size=N)),
        b=("categorical", DRAWN.choice(["x", "y", "z"], N)),
        c=("text", ["some words here"] * N),
        at=("datetime", DRAWN.integers(0, 10**15, N)),
    )
    assert all(output.why for output in suggestion.outputs)
    assert suggestion.text.count("    # ") >= len(suggestion.outputs)
    assert all(reason.why for reason in suggestion.reasons)


@pytest.mark.parametrize(
    "values", [[np.inf] * 150 + [1.0, 2.0, 3.0] * 100, [1e308, -1e308, 0.0] * 150, [5.0] * 449 + [6.0]]
)
def test_numbers_of_any_size_get_a_suggestion(values):
    """Nothing overflows on the way to it."""
    n = len(values)
    suggestion, _, _ = _suggest(
        Task.BINARY, np.arange(n) % 2, x=("numeric", values), z=("numeric", DRAWN.normal(size=n))
    )
    assert _reason(suggestion, "x").why
