"""What every recogniser of personal data must do, as tests. A plug-in inherits `RecogniserContract` and supplies `recogniser`."""

from __future__ import annotations

import inspect
import re
import time

import pytest

from penstock.bundle.privacy.actions import parse_action
from penstock.data.privacy.recogniser import ORDER, Column, Recogniser

SECTIONS = ("What it finds", "How sure it is", "Example", "What to do", "Reference")


class RecogniserContract:
    """The duties of a recogniser."""

    @pytest.fixture
    def recogniser(self) -> Recogniser:
        raise NotImplementedError("supply the recogniser as a fixture")

    def test_its_name_is_a_word(self, recogniser: Recogniser) -> None:
        """Lower case, and what stands in place of a masked hit."""
        assert re.fullmatch(r"[a-z][a-z0-9_]{1,30}", recogniser.name)

    def test_it_documents_itself_like_a_check(self, recogniser: Recogniser) -> None:
        """One line, then the sections in their order."""
        text = inspect.cleandoc(type(recogniser).__doc__ or "")
        places = [text.find(f"\n{section}\n") for section in SECTIONS]
        assert -1 not in places
        assert places == sorted(places)

    def test_what_it_proposes_is_an_action(self, recogniser: Recogniser) -> None:
        """A proposal that the declaration would refuse helps nobody."""
        assert parse_action(recogniser.action).name not in ("keep", "shift_by")

    def test_it_takes_its_examples_and_refuses_the_others(self, recogniser: Recogniser) -> None:
        """At least two of each."""
        assert len(recogniser.examples) >= 2
        assert len(recogniser.others) >= 2
        assert [text for text in recogniser.examples if not recogniser.matches(text)] == []
        assert [text for text in recogniser.others if recogniser.matches(text)] == []

    @pytest.mark.parametrize(
        "text", ["", " ", "0", "-", "é", "\x00", "9" * 400, "@" * 50, "a b c", "NaN", "\ud800", "٣٤٥"]
    )
    def test_it_is_never_at_a_loss(self, recogniser: Recogniser, text: str) -> None:
        """Whatever the value, the answer is yes or no."""
        assert recogniser.matches(text) in (True, False)

    def test_what_it_masks_covers_its_examples_inside_a_sentence(self, recogniser: Recogniser) -> None:
        """No piece of one is left, wherever it stands."""
        if not recogniser.mask:
            pytest.skip("it seeks nothing in texts")
        for example in recogniser.examples:
            if not _is_written_in_texts(recogniser, example):
                continue
            for sentence in (
                f"write to {example}, soon",
                f"{example}",
                f"it is {example}.",
                f"({example})",
                f"x\n{example}\ny",
            ):
                assert re.search(recogniser.needs, sentence)
                left = re.sub(recogniser.mask, "[]", sentence)
                assert example not in left
                assert "[]" in left

    def test_its_pattern_takes_time_in_proportion_to_the_text(self, recogniser: Recogniser) -> None:
        """No text may hold up a server."""
        if not recogniser.mask:
            pytest.skip("it seeks nothing in texts")
        find = re.compile(recogniser.mask)
        for piece in ("1 ", "a", "1-", "a.", "@a.", "0", "a1:", "::", "(1) ", "é@"):
            took = []
            for n in (1_000, 8_000):
                text = piece * n
                start = time.perf_counter()
                find.sub("", text)
                took.append(time.perf_counter() - start)
            assert took[1] < 0.3 + 24 * took[0], piece

    def test_a_column_of_examples_is_found_where_its_name_speaks_of_it(self, recogniser: Recogniser) -> None:
        """By the first word of its hint; the evidence quotes no value."""
        name = _plain(recogniser.hint)
        values = [text for text in recogniser.examples if recogniser.matches(text)]
        found = recogniser.judge(Column(name, values))
        assert found is not None
        assert found.kind == recogniser.name
        assert found.confidence in ORDER
        assert 0 < found.share <= 1
        assert not any(value in found.why for value in values if len(value) > 3)

    @pytest.mark.parametrize(
        "values",
        [
            [],
            [""],
            ["yes", "no"],
            [str(i) for i in range(200)],
            [f"{i / 7:.3f}" for i in range(200)],
            [str(1_000_000 + i) for i in range(200)],
            [str(400_000_000 + 7 * i) for i in range(200)],
            [str(1_600_000_000_000 + 977 * i) for i in range(200)],
            ["red bicycle", "blue car", "green boat"] * 9,
        ],
        ids=[
            "nothing",
            "empty",
            "words",
            "counts",
            "amounts",
            "ids of 7 digits",
            "ids of 9 digits",
            "milliseconds",
            "things",
        ],
    )
    def test_ordinary_columns_are_left_alone(self, recogniser: Recogniser, values: list[str]) -> None:
        """Ids, amounts, counts and words are no personal data, as far as anyone can tell from them."""
        assert recogniser.judge(Column("x", values)) is None


def _is_written_in_texts(recogniser: Recogniser, example: str) -> bool:
    """Plain runs of digits stand for anything in a text; the mask of telephone numbers takes those of 7 to 15 digits."""
    return not example.isdigit() or re.search(recogniser.mask, example) is not None


def _plain(hint: str) -> str:
    """A name that the first alternative of a hint matches: ``e ?mails?`` is ``e mails``."""
    return re.sub(r"\\w\*", "", hint.partition("|")[0]).replace("?", "")
