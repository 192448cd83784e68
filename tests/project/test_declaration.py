"""`penstock.toml`: checked as a whole, unknown keys refused with the nearest match."""

from __future__ import annotations

import msgspec
import pytest

from penstock.errors import DeclarationError
from penstock.project.declaration import Declaration, parse_declaration
from penstock.project.scaffold import render_declaration
from penstock.project.sections.section import Section
from penstock.project.sections.serving import JournalSection
from penstock.serving.settings import JournalSettings

MINIMAL = '[data]\nsource = "a.csv"\ntarget = "y"\n'


def test_a_file_with_source_and_target_alone_is_complete():
    """Every section has defaults."""
    declaration = parse_declaration(MINIMAL)
    assert declaration.split.envelopes == 4
    assert declaration.search.budget == "5m"
    assert declaration.gates == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "[serch]\n", "write 'search'"),
        (MINIMAL + '[search]\nbudgte = "5m"\n', "write 'search.budget'|write 'budget'"),
        (MINIMAL + "[serving.journal]\nkeep_day = 3\n", "write 'keep_days'"),
        (MINIMAL + '[[gates]]\nmetrc = "f1"\nat_least = 1\n', "write 'metric'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_match(text, said):
    """A setting is never silently ignored."""
    with pytest.raises(DeclarationError, match=said):
        parse_declaration(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[search]\nimbalance = "smoet"\n', "write 'smote'; it is one of none, weights, oversample"),
        ('[data.kinds]\na = "numerc"\n', "write 'numeric'; it is one of "),
        (
            '[[data.join]]\nsource = "b.csv"\non = "a"\nformat = "csw"\n',
            "write 'csv'; it is one of csv, jsonl, json, parquet",
        ),
        ('[scope]\nuse = "xx"\n', "it is one of realtime, batch"),
    ],
)
def test_a_word_that_is_none_of_those_known_is_refused_with_them(text, said):
    """And with the nearest."""
    with pytest.raises(DeclarationError) as refused:
        parse_declaration(MINIMAL + text)
    assert said in refused.value.way_out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[data]\nsource = "a.csv"\n', "target"),
        (MINIMAL + '[split]\ntest = "x"\n', r"\[split.test\]"),
        (MINIMAL + "[split]\ntest = 1.5\n", "share"),
        (MINIMAL + "[split]\ntest = 0.5\nvalid = 0.5\n", "too few training rows"),
        (MINIMAL + '[split]\nby = "tim:at"\n', "time:COLUMN"),
        (MINIMAL + '[[gates]]\nmetric = "f1"\n', "exactly one"),
        (MINIMAL + "[serving]\nabstain_below = 2\n", "probability"),
        (MINIMAL + "[serving]\ngrpc_port = 0\n", "0 is no port"),
        (MINIMAL + "[serving]\ngrpc_port = 65536\n", "serving.grpc_port"),
        (MINIMAL + "[scope]\nsize_mb = 0\n", "scope.size_mb"),
        (MINIMAL + "[quantise]\nmax_loss = 1.5\n", "quantise.max_loss"),
        (MINIMAL + "[quantise]\nmax_changed = -0.1\n", "quantise.max_changed"),
        (MINIMAL + "[quantise]\nmax_changed = nan\n", "quantise.max_changed"),
        (MINIMAL + "[quantise]\nrows = 0\n", "quantise.rows"),
        (MINIMAL + "[quantise]\nforms = []\n", "quantise.forms"),
        (MINIMAL + '[quantise]\nforms = ["int4", "int4"]\n', "quantise.forms"),
        (MINIMAL + '[quantise]\nforms = ["int3"]\n', "quantise.forms"),
        (MINIMAL + '[data.kinds]\na = "number"\n', "kinds"),
        (MINIMAL + 'formats = { a = "dd/mm/yyyy" }\n', "'dd/mm/yyyy' is no format of dates"),
        (MINIMAL + "formats = { a = [] }\n", "data.formats.a"),
        (MINIMAL + 'formats = { y = "%d/%m/%Y" }\n', "it is the target"),
        (MINIMAL + 'formats = { a = "iso" }\nkinds = { a = "text" }\n', "kinds.a says that it is text"),
        (MINIMAL + 'formats = { a = "iso" }\ndecimal = { a = "," }\n', "either dates or numbers"),
        (MINIMAL + 'timezone = "Europe/Berln"\n', "'Europe/Berln' is no time zone"),
        (MINIMAL + 'timezone = { a = "Mars" }\n', "data.timezone.a"),
        (MINIMAL + 'decimal = { a = "." }\nthousands = { a = "." }\n', "cannot be"),
        (MINIMAL + 'thousands = { a = "x" }\n', "data.thousands.a"),
        (MINIMAL + 'decimal = { a = "," }\nkinds = { a = "datetime" }\n', "kinds.a says that it is datetime"),
        ("[data\n", "not valid TOML"),
        ('[data]\nsource = "a.csv"\ntarget = "y"\ndrop = ["y"]\n', "target"),
    ],
)
def test_a_wrong_value_is_named_with_its_bounds(text, said):
    """What, why and the way out, before anything runs."""
    with pytest.raises(DeclarationError, match=said) as caught:
        parse_declaration(text)
    assert caught.value.way_out


def test_what_new_writes_is_a_valid_declaration():
    """The scaffold and the parser agree, odd names included."""
    text = render_declaration(
        name='the "bank"',
        data={"source": "data/raw/ä b.csv", "target": "y\\n", "drop": ["a", 'b"']},
        task="binary",
        metric="roc_auc",
    )
    declaration = parse_declaration(text)
    assert declaration.project.name == 'the "bank"'
    assert declaration.data.target == "y\\n"
    assert declaration.data.drop == ("a", 'b"')


def test_every_section_is_frozen_and_refuses_unknown_fields():
    """A declaration cannot be changed after it was checked."""

    def sections(struct: type[msgspec.Struct]):
        yield struct
        for field in msgspec.structs.fields(struct):
            if isinstance(field.type, type) and issubclass(field.type, Section):
                yield from sections(field.type)

    for section in sections(Declaration):
        assert section.__struct_config__.frozen
        assert section.__struct_config__.forbid_unknown_fields


def test_the_journal_has_the_same_defaults_in_the_declaration_and_the_server():
    """Two structs, because a server reads no declaration; one set of values."""
    declared = msgspec.structs.asdict(JournalSection())
    assert declared == {name: getattr(JournalSettings(), name) for name in declared}
