"""Flag words of several values: what they stand for, what is refused and how it is said."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import FlagError
from penstock.experiments.batches.space import (
    MOST_VALUES,
    Choices,
    Range,
    complete,
    parse_space,
    table,
)
from penstock.experiments.batches.words import is_batch, single
from penstock.experiments.flags.flag import Flag
from penstock.experiments.flags.flag_set import FlagSet

FLAGS = FlagSet(
    (
        Flag("lr", "float", 0.1, origin="argparse, train.py:3"),
        Flag("epochs", "int", 10),
        Flag("optimizer", "str", "adam", choices=("adam", "sgd")),
        Flag("note", "str", ""),
        Flag("fast", "bool", False, how="switch"),
        Flag("layers", "int", [64], multiple=True, arity="list", how="global"),
        Flag("weights", "any", None),
        Flag("api_key", "str", "", secret=True),
        Flag("learning-rate", "float", 0.1, aliases=("eta",)),
    )
)


def dimension(word: str, flags: FlagSet = FLAGS) -> Any:
    (found,) = parse_space([word], flags).dimensions.values()
    return found


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("lr=[0.1,0.01]", (0.1, 0.01)),
        ("lr=[ 1e-3 , 1 ]", (0.001, 1.0)),
        ("lr=choice[0.1,0.2]", (0.1, 0.2)),
        ("epochs=[10]", (10,)),
        ("optimizer=[sgd,adam]", ("sgd", "adam")),
        ("fast=[true,false]", (True, False)),
        ('note=["a,b", c d ,""]', ("a,b", "c d", "")),
        ("note=[don't,can't]", ("don't", "can't")),
        ("note=[é,日本]", ("é", "日本")),
        ("layers=[[64,32],[32]]", ([64, 32], [32])),
        ("weights=[none,balanced,1]", (None, "balanced", 1)),
        ('weights=["1",1,1.0,true]', ("1", 1, 1.0, True)),
        ("epochs=range[2:10:4]", (2, 6, 10)),
        ("epochs=range[1:3]", (1, 2, 3)),
        ("lr=range[0:0.3:0.1]", (0.0, 0.1, 0.2, 0.3)),
        ("lr=range[-1:1:0.5]", (-1.0, -0.5, 0.0, 0.5, 1.0)),
    ],
)
def test_a_list_is_each_of_its_values_typed_as_for_a_single_run(word: str, values: tuple[Any, ...]) -> None:
    found = dimension(word)
    assert found == Choices(values)
    assert [type(value) for value in found.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lr=uniform[0.1:0.9]", Range(0.1, 0.9)),
        ("lr=loguniform[1e-5:1e-1]", Range(1e-5, 0.1, log=True)),
        ("epochs=int[1:10]", Range(1.0, 10.0, whole=True)),
        ("lr=int[1:3]", Range(1.0, 3.0, whole=True)),
        ("note=uniform[0:1]", Range(0.0, 1.0, as_text=True)),
        ("weights=uniform[-2:-1]", Range(-2.0, -1.0)),
    ],
)
def test_a_range_is_drawn_from(word: str, expected: Range) -> None:
    assert dimension(word) == expected


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("layers=[64,32]", [64, 32]),
        ('layers="[64,32]"', [64, 32]),
        ("layers=\\[64,32]", [64, 32]),
        ('weights="[1,2]"', [1, 2]),
        ("note='[x]'", "[x]"),
        ("note=a[0]", "a[0]"),
        ("note=uniform", "uniform"),
        ('note="uniform[0:1]"', "uniform[0:1]"),
        ('note="quoted"', '"quoted"'),
        ("note=[a", "[a"),
        ("note=", ""),
        ("lr=1e-3", 0.001),
    ],
)
def test_a_single_value_stays_one(word: str, value: Any) -> None:
    assert not is_batch([word], FLAGS)
    space = parse_space([word], FLAGS)
    assert space.dimensions == {}
    assert space.fixed == {word.partition("=")[0]: value}


def test_flags_that_are_shared_and_flags_that_differ_are_told_apart() -> None:
    words = ["epochs=5", "eta=[0.1,0.2]", "lr=uniform[0:1]", "api_key=hush"]
    assert is_batch(words, FLAGS)
    space = parse_space(words, FLAGS)
    assert space.fixed == {"epochs": 5, "api_key": "hush"}
    assert list(space.dimensions) == ["learning-rate", "lr"]
    assert space.words == {
        "epochs": "5",
        "api_key": "***",
        "learning-rate": "[0.1,0.2]",
        "lr": "uniform[0:1]",
    }
    assert not space.listed
    assert space.size is None
    assert complete(space, {"learning-rate": 0.2, "lr": 0.5}) == {
        "epochs": 5,
        "api_key": "hush",
        "learning-rate": 0.2,
        "lr": 0.5,
    }


def test_a_number_for_a_flag_that_is_text_is_passed_as_text() -> None:
    assert complete(parse_space(["note=uniform[0:1]"], FLAGS), {"note": 0.25}) == {"note": "0.25"}


def test_a_space_of_lists_and_whole_numbers_has_a_size() -> None:
    space = parse_space(["optimizer=[adam,sgd]", "epochs=int[1:10]"], FLAGS)
    assert space.size == 20
    assert not space.listed


def test_any_flag_of_a_command_can_be_tried() -> None:
    space = parse_space(["depth=[1,2]", "mode=fast"], FlagSet(open=True))
    assert space.dimensions == {"depth": Choices((1, 2))}


def test_the_flag_of_the_chosen_subcommand_is_meant() -> None:
    flags = FlagSet(
        (
            Flag("command", "str", None, choices=("fit", "score"), how="subcommand", required=True),
            Flag("rate", "int", 1, under=("fit",)),
            Flag("rate", "float", 0.5, under=("score",)),
        )
    )
    assert dimension("rate=[2,3]", flags) == Choices((2, 3))
    assert parse_space(["rate=[0.1,0.2]", "command=score"], flags).dimensions == {"rate": Choices((0.1, 0.2))}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lr=[]", "lr=[] cannot be tried\n  why: the list is empty"),
        ("lr=[0.1,,0.2]", "there is nothing between two commas"),
        ("lr=[0.1,0.1]", "it has 0.1 twice"),
        ("lr=[0.1,fast]", "the flag 'lr' cannot be 'fast'"),
        ("optimizer=[adam,sdg]", "did you mean optimizer=sgd?"),
        ("lrr=[0.1,0.2]", "did you mean lr?"),
        ("note=['a,b]", "the quote ' is not closed"),
        ("note=[a(,b]", 'put that value in quotes: "a(,b"'),
        ("lr=uniform[0.9:0.1]", "0.9 is not below 0.1"),
        ("lr=uniform[1]", "write lr=uniform[0.1:0.9]"),
        ("lr=uniform[a:b]", "two numbers"),
        ("lr=uniform[0:inf]", "inf is no number that can be an end of a range"),
        ("lr=uniform[0:nan]", "nan is no number that can be an end of a range"),
        ("epochs=uniform[0.2:0.8]", "write epochs=int[1:10]"),
        ("epochs=range[0:1e9]", "write a greater step, or epochs=int[0:1000000000]"),
        ("lr=range[0:1e9]", "write a greater step, or lr=uniform[0:1000000000]"),
        ("lr=loguniform[0:1]", "a logarithm needs numbers above 0"),
        ("epochs=int[0.5:3]", "no whole numbers"),
        ("epochs=uniform[1:9.5]", "write epochs=int[1:9]"),
        ("fast=uniform[0:1]", "the flag 'fast' cannot be '0.0'"),
        ("fast=int[0:1]", "write fast=[true,false]"),
        ("lr=range[0:1:0]", "write lr=range[LOW:HIGH:STEP]"),
        ("lr=range[0:1:x]", "write lr=range[LOW:HIGH:STEP]"),
        ("lr=range[0:1:1e-9]", "it has 1,000,000,001 values"),
        ("lr=unifrom[0:1]", "write uniform[0:1]"),
        ("api_key=[a,b]", "the flag 'api_key' is secret"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_way_out(word: str, message: str) -> None:
    with pytest.raises(FlagError) as refused:
        parse_space([word], FLAGS)
    assert message in str(refused.value)


def test_the_longest_range_is_read_in_a_few_seconds() -> None:
    """Each value is looked at once: comparing each with all before it took hours."""
    began = time.process_time()
    (found,) = parse_space([f"epochs=range[1:{MOST_VALUES}]"], FLAGS).dimensions.values()
    assert isinstance(found, Choices)
    assert len(found.values) == MOST_VALUES
    assert time.process_time() - began < 5


def test_a_flag_that_is_given_twice_is_refused_under_any_of_its_names() -> None:
    for words in (["eta=[0.1,0.2]", "learning-rate=[1,2]"], ["eta=0.1", "learning-rate=[1,2]"], ["lr=1", "lr=2"]):
        with pytest.raises(FlagError, match="twice"):
            parse_space(words, FLAGS)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8, unique_by=repr))
def test_numbers_in_a_list_come_out_as_they_were_written(numbers: list[float]) -> None:
    assert [repr(v) for v in dimension(f"lr=[{','.join(map(repr, numbers))}]").values] == [repr(n) for n in numbers]


@given(st.text(max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    for name in ("lr", "note", "weights", "layers"):
        for word in (f"{name}={text}", f"{name}=[{text}]"):
            with contextlib.suppress(FlagError):
                parse_space([word], FLAGS)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1), st.sampled_from(["uniform", "loguniform", "int"]))
def test_every_share_of_a_range_lies_within_it(low: float, width: float, share: float, kind: str) -> None:
    if kind == "loguniform":
        low = abs(low) + 1e-9
    one = Range(low, low + width, log=kind == "loguniform")
    if kind == "int":
        one = Range(float(int(low)), float(int(low) + 1 + int(width)), whole=True)
    assert one.low <= one.at(share) <= one.high
    assert -1e-6 <= one.share(one.at(share)) <= 1 + 1e-6


def test_a_single_run_reads_its_words_as_a_batch_does() -> None:
    assert single(['layers="[64,32]"', "lr=0.5"], FLAGS) == {"layers": [64, 32], "lr": 0.5}
    with pytest.raises(FlagError, match="has several values"):
        single(["lr=[1,2]"], FLAGS)


def test_the_table_of_a_batch_shows_what_is_tried_and_not_the_defaults() -> None:
    lines = {line.split()[0]: line for line in table(["lr=[0.1,0.2]", "epochs=int[1:9]", "note=x"], FLAGS).splitlines()}
    assert "[0.1,0.2]  given; 0.1 in argparse, train.py:3" in lines["lr"]
    assert "int[1:9]" in lines["epochs"]
    assert " x " in lines["note"] + " "
    assert "adam" in lines["optimizer"]
