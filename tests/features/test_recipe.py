"""recipe.toml: what it may say, and what it is told when it says something else."""

from __future__ import annotations

import pickle

import pytest

from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RecipeError
from penstock.features.recipe import Recipe

SPECS = [
    ColumnSpec("age", Kind.NUMERIC),
    ColumnSpec("balance", Kind.NUMERIC),
    ColumnSpec("emp.var.rate", Kind.NUMERIC),
    ColumnSpec("a b", Kind.NUMERIC),
    ColumnSpec("a.b", Kind.NUMERIC),
    ColumnSpec("job", Kind.CATEGORICAL),
    ColumnSpec("loan", Kind.BINARY),
    ColumnSpec("note", Kind.TEXT),
    ColumnSpec("when", Kind.DATETIME),
    ColumnSpec("id", Kind.IDENTIFIER),
    ColumnSpec("same", Kind.CONSTANT),
]

GOOD = """\
# what a person writes
outputs = [
    "ALL_BINARY", "rest",
    "quantile_bin(standardise(age), 10)",   # nested
    "one_hot(job, min_frequency=0.01)",
    "filled",
    'date_parts(when, "year, month", cycles=true)',
]

[groups]
rates = "group('emp.var.rate', 'a b')"
rest = "group_remove(ALL_NUMERIC, 'age', rates)"

[assignments]
filled = "impute(rates, mean)"
"""


def _refused(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text).check(SPECS)
    error = caught.value
    assert error.line is not None
    assert error.what.startswith(f"recipe.toml, line {error.line}, column {error.column}: ")
    return error


def test_a_recipe_that_a_person_writes_is_taken() -> None:
    """Groups, assignments, nested calls, comments."""
    Recipe.parse(GOOD).check(SPECS)


def test_the_canonical_text_says_the_same_in_one_layout() -> None:
    """Comments and spacing do not matter, so that what is known stays known after reformatting."""
    recipe = Recipe.parse(GOOD)
    assert Recipe.parse(recipe.canonical()) == recipe
    assert Recipe.parse(recipe.canonical()).canonical() == recipe.canonical()
    assert (
        Recipe.parse(GOOD.replace("(age), 10", "(age)  ,10").replace("# nested", "")).canonical() == recipe.canonical()
    )


def test_a_bom_and_windows_line_ends_do_no_harm() -> None:
    """Editors on Windows write them; positions stay right."""
    text = "\ufeff" + GOOD.replace("\n", "\r\n")
    assert Recipe.parse(text) == Recipe.parse(GOOD)
    error = _refused(GOOD.replace("(rates, mean)", "(rats, mean)").replace("\n", "\r\n"))
    assert (error.line, error.column) == (15, 18)


def test_the_default_recipe_takes_every_kind() -> None:
    """And tables that lack some."""
    Recipe.default().check(SPECS)
    Recipe.default().check(SPECS[:1])


def test_names_with_dots_are_matched_by_underscores() -> None:
    """And bare or quoted as they are."""
    for name in ("emp_var_rate", "emp.var.rate", "'emp.var.rate'"):
        Recipe.parse(f'outputs = ["{name}"]').check(SPECS)


@pytest.mark.parametrize(
    ("text", "place", "what", "rest"),
    [
        (
            'outputs = ["age",\n  "standardise(agee)"]',
            (2, 16),
            "there is no column, group or assignment 'agee'",
            "did you mean 'age'?",
        ),
        ('outputs = ["all_numeric"]', (1, 13), "there is no column", "did you mean 'ALL_NUMERIC'?"),
        ('outputs = ["a_b"]', (1, 13), "'a_b' may be any of 'a b', 'a.b'", "quote the exact name: 'a b'"),
        ('outputs = ["standardize(age)"]', (1, 13), "there is no step 'standardize'", "did you mean 'standardise'?"),
        (
            'outputs = ["quantile_bin(age, bin=3)"]',
            (1, 31),
            "'quantile_bin' has no parameter 'bin'",
            "did you mean 'bins'?",
        ),
        (
            'outputs = ["quantile_bin(age, 1)"]',
            (1, 31),
            "parameter 'bins' of 'quantile_bin' is 1",
            "a whole number from 2 to 10000",
        ),
        (
            'outputs = ["quantile_bin(age, 2.5)"]',
            (1, 31),
            "parameter 'bins' of 'quantile_bin' is 2.5",
            "a whole number",
        ),
        ('outputs = ["one_hot(job, 0)"]', (1, 26), "'min_frequency' of 'one_hot' is 0", "is 0\nit must be a number"),
        ('outputs = ["quantile_bin(age, 5, bins=5)"]', (1, 34), "parameter 'bins' is given twice", "remove one"),
        (
            'outputs = ["impute(age, strategy=media)"]',
            (1, 34),
            "parameter 'strategy' of 'impute' is 'media'",
            "did you mean 'median'?",
        ),
        (
            'outputs = ["tfidf(note, sublinear=yes)"]',
            (1, 35),
            "parameter 'sublinear' of 'tfidf' is 'yes'",
            "true or false",
        ),
        (
            'outputs = ["standardise(age, job)"]',
            (1, 30),
            "'standardise' is given too many arguments",
            "group('a', 'b')",
        ),
        (
            'outputs = ["quantile_bin(age, standardise(age))"]',
            (1, 31),
            "parameter 'bins' of 'quantile_bin' is a call",
            "group('a', 'b')",
        ),
        (
            'outputs = ["standardise()"]',
            (1, 13),
            "'standardise' is given 0 column arguments",
            "standardise(ALL_NUMERIC)",
        ),
        ('outputs = ["standardise(3)"]', (1, 25), "found the number 3", "expected a column"),
        (
            'outputs = ["standardise(ALL_INPUTS)"]',
            (1, 25),
            "does not take column 'job', which is categorical",
            "put one_hot, ordinal, target_encode or counts between, as in standardise(one_hot(ALL_INPUTS))",
        ),
        (
            'outputs = ["quantile_bin(note)"]',
            (1, 26),
            "does not take column 'note', which is text",
            "put tfidf, ngram or text_length between",
        ),
        (
            'outputs = ["standardise(tfidf(note))", "tfidf(one_hot(job))"]',
            (1, 47),
            "'tfidf' does not take the result of a call",
            "expected text",
        ),
        ('outputs = ["impute(job, median)"]', (1, 20), "does not suit column 'job', which is categorical", "'mode'"),
        ('outputs = ["id"]', (1, 13), "column 'id' is an identifier, not an input", "penstock.toml"),
        ('outputs = ["same"]', (1, 13), "column 'same' is constant, not an input", "says nothing"),
        (
            'outputs = ["a"]\n[assignments]\na = "impute(b)"\nb = "impute(a)"',
            (4, 13),
            "'a' is defined by itself",
            "a -> b -> a",
        ),
        ('outputs = ["g"]\n[groups]\ng = "group(g)"', (3, 12), "'g' is defined by itself", "g -> g"),
        ("outputs = []", (1, 1), "the recipe has no outputs", "ALL_INPUTS"),
        (
            'outputs = ["g"]\n[groups]\ng = "group_remove(ALL_BINARY, loan)"',
            (1, 13),
            "the outputs name no column",
            "1 binary",
        ),
        ('[groups]\ng = "age"', (1, 1), "the recipe has no outputs", "ALL_INPUTS"),
        ('output = ["age"]', (1, 1), "unknown section 'output'", "did you mean 'outputs'?"),
        ('outputs = "age"', (1, 1), "'outputs' is not a list of texts", "found 'age'"),
        ('groups = 3\noutputs = ["age"]', (1, 1), "'groups' is not a table", "[groups]"),
        ('outputs = ["age"]\n[groups]\ng = 3', (3, 1), "'g' is not an expression", "found 3"),
        (
            '[groups]\ng = "age"\noutputs = ["g"]',
            (3, 1),
            "'outputs' stands inside [groups]",
            "move outputs = [...] to the top",
        ),
        ('outputs = ["g"]\n[groups]\ng = "impute(age)"', (3, 6), "'impute' inside [groups]", "[assignments]"),
        (
            'outputs = ["age"]\n[groups]\nage = "job"',
            (3, 8),
            "'age' is defined here and is also a column",
            "another name",
        ),
        (
            'outputs = ["age"]\n[groups]\nemp_var_rate = "job"',
            (3, 17),
            "is also a column",
            "it also matches 'emp.var.rate'",
        ),
        (
            'outputs = ["age"]\n[groups]\nALL_TEXT = "job"',
            (3, 1),
            "'ALL_TEXT' is a name of the language itself",
            "reserved",
        ),
        ('outputs = ["age"]\n[groups]\n"a b!" = "job"', (3, 1), "'a b!' cannot be a name", "another name"),
        (
            'outputs = ["g"]\n[groups]\ng = "age"\n[assignments]\ng = "age"',
            (5, 1),
            "'g' is a group and an assignment",
            "rename",
        ),
        (
            'outputs = ["age"]\n[groups]\ng = "group_remove(ALL_NUMERIC, job)"',
            (3, 32),
            "column 'job' is not in ALL_NUMERIC",
            "remove it",
        ),
        ('outputs = ["age"]\n[assignments]\nunused = "agee"', (3, 11), "there is no column", "did you mean 'age'?"),
        ('outputs = ["group()"]', (1, 13), "group() names nothing", "expected columns"),
        ('outputs = ["group(age, by=job)"]', (1, 24), "'group' has no parameter 'by'", "columns and groups"),
        ('outputs = ["age"', (1, 17), "this is not TOML", "Unclosed array"),
        ('outputs = ["""\nstandardise(\n   agee)"""]', (3, 4), "there is no column", "did you mean 'age'?"),
        ('outputs = ["\\u0061gee"]', (1, 13), "there is no column", "did you mean 'age'?"),
    ],
)
def test_an_error_points_into_the_file(text: str, place: tuple[int, int], what: str, rest: str) -> None:
    """Line, column, what is wrong, and the nearest name or what was expected."""
    error = _refused(text)
    assert (error.line, error.column) == place
    assert what in error.what
    assert rest in f"{error.what}\n{error.why}\n{error.way_out}"


@pytest.mark.parametrize("order", [range(1, 200), range(199, 0, -1)])
def test_assignments_without_end_are_refused(order: range) -> None:
    """In whichever order they are written."""
    lines = [f'a{i} = "impute(a{i - 1})"' for i in order]
    error = _refused("\n".join(['outputs = ["a199"]', "[assignments]", 'a0 = "impute(age)"', *lines]))
    assert "stacked more than 100 high" in error.what


def test_an_error_keeps_its_place_between_processes() -> None:
    """Recipes are also checked in workers."""
    error = pickle.loads(pickle.dumps(_refused('outputs = ["agee"]')))  # noqa: S301 - our own bytes
    assert (error.line, error.column) == (1, 13)


def test_the_whole_message_of_one_error() -> None:
    """As a person sees it."""
    assert str(_refused('outputs = ["ALL_BINARY", "one_hot(jab)"]')) == (
        "recipe.toml, line 1, column 35: there is no column, group or assignment 'jab'\n"
        "  why: the table has age, balance, emp.var.rate, a b, a.b, job, loan, note, when, id, same\n"
        "  try: did you mean 'job'?"
    )
