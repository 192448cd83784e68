"""What is held of unfinished requests: bounded, and counted right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.unfinished import Unfinished


class Connection:
    """Remembers whether it had to give way."""

    def __init__(self) -> None:
        self.has_given_way = False

    def give_way(self) -> None:
        assert not self.has_given_way
        self.has_given_way = True


def test_who_has_been_silent_for_longest_gives_way() -> None:
    first, second, third = Connection(), Connection(), Connection()
    unfinished = Unfinished(100)
    unfinished.came(first, 40)
    unfinished.came(second, 40)
    unfinished.came(first, 45)
    unfinished.came(third, 20)
    assert [one.has_given_way for one in (first, second, third)] == [False, True, False]
    assert unfinished.held == 65


def test_one_that_is_too_large_by_itself_gives_way() -> None:
    one = Connection()
    unfinished = Unfinished(100)
    unfinished.came(one, 101)
    assert one.has_given_way
    assert unfinished.held == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 120))))
def test_what_is_counted_is_what_is_held(events: list[tuple[int, int]]) -> None:
    """0 bytes stands for a request that is whole."""
    unfinished, senders = Unfinished(100), [Connection() for _ in range(6)]
    held: dict[int, int] = {}
    for number, size in events:
        if senders[number].has_given_way:
            senders[number] = Connection()
        if size:
            held[number] = size
            unfinished.came(senders[number], size)
        else:
            held.pop(number, None)
            unfinished.gone(senders[number])
        held = {number: size for number, size in held.items() if not senders[number].has_given_way}
        assert unfinished.held == sum(held.values()) <= 100
