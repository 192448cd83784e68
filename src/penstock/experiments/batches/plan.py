"""What a batch is asked to do: recorded with it, so that it can be resumed, and put into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import FlagError
from penstock.experiments.batches.sampling import NEEDS_VALUES, STRATEGIES
from penstock.experiments.batches.space import Space
from penstock.experiments.batches.stopping import RULES
from penstock.experiments.capture.secrets import Masker
from penstock.experiments.flags.flag import MASK

if TYPE_CHECKING:
    from penstock.experiments.flags.flag_set import FlagSet

NO_SECRETS = Masker()
DEFAULT_TRIALS = 20
"""Of a search that has no end of its own."""
MOST_WORKERS = 256


@dataclass(frozen=True)
class Plan:
    """How a batch searches.

    Attributes
    ----------
    words : the flag words, as they were written; values that are secret, or hold a secret, are masked.
    n : trials in all; None: every point of a grid.
    search : grid, random, bayesian or evolutionary.
    metric : what is minimised (or maximised), None where nothing is.
    stop_early : the rule that stops hopeless trials, None: none.
    workers : trials at once.
    """

    words: tuple[str, ...]
    n: int | None
    search: str
    metric: str | None
    maximise: bool
    stop_early: str | None
    workers: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "words": list(self.words)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Plan:
        return cls(**{**body, "words": tuple(body["words"])})


def make_plan(
    space: Space,
    words: Sequence[str],
    flags: FlagSet,
    *,
    n: int | None = None,
    search: str | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
    workers: int = 1,
    seed: int = 0,
    stop_early: str | None = None,
    masker: Masker = NO_SECRETS,
) -> Plan:
    """Check what is asked for, and fill in what is usual: a grid of lists, else a random search of 20 trials.

    Raises
    ------
    FlagError : nothing differs between the trials, or the settings do not go together.
    """
    if not space.dimensions:
        raise FlagError(
            "no flag has several values",
            why="all trials of the batch would be the same",
            way_out="write for example lr=[0.1,0.01] or lr=loguniform[1e-5:1e-1], or leave the options of a batch out",
        )
    if minimize is not None and maximize is not None:
        raise FlagError(
            "both --minimize and --maximize are given",
            why="a batch looks for the best of one metric",
            way_out="keep the one that counts; the others are in the table of `penstock compare`",
        )
    search = search or ("grid" if space.listed else "random")
    if search not in STRATEGIES:
        raise FlagError(
            f"there is no search {search!r}",
            why=f"known are: {', '.join(STRATEGIES)}",
            way_out="write --search bayesian, which suits most searches",
        )
    metric = minimize if minimize is not None else maximize
    if metric is None and (search in NEEDS_VALUES or stop_early):
        raise FlagError(
            f"the {search} search needs a metric" if search in NEEDS_VALUES else "stopping early needs a metric",
            why="it goes by what the trials have measured",
            way_out="add --minimize loss, or another metric that the script logs",
        )
    if stop_early is not None and stop_early not in RULES:
        raise FlagError(
            f"there is no rule {stop_early!r} to stop trials early",
            why=f"known are: {', '.join(RULES)}",
            way_out="write --stop-early median, which suits most scripts",
        )
    for name, number, most in (("-n", n, None), ("--workers", workers, MOST_WORKERS)):
        if number is not None and (number < 1 or (most is not None and number > most)):
            raise FlagError(
                f"{name} {number} is out of bounds",
                why=f"it is a whole number from 1{f' to {most}' if most else ''}",
                way_out=f"write {name} 4",
            )
    return Plan(
        words=tuple(_masked(words, flags, masker)),
        n=n if n is not None or search == "grid" else DEFAULT_TRIALS,
        search=search,
        metric=metric,
        maximise=maximize is not None,
        stop_early=stop_early,
        workers=workers,
        seed=seed,
    )


def _masked(words: Sequence[str], flags: FlagSet, masker: Masker) -> list[str]:
    """The words without the values of secret flags, and without those of others that hold a secret."""
    names = [word.partition("=")[0] for word in words]
    hidden = [flags.find(n).secret or masker.mask(word) != word for n, word in zip(names, words, strict=True)]
    return [f"{n}={MASK}" if hide else word for n, word, hide in zip(names, words, hidden, strict=True)]


def unmasked(words: Sequence[str], again: Sequence[str], flags: FlagSet) -> list[str]:
    """Recorded words, where those of `again` count instead: a secret must be given again.

    Raises
    ------
    FlagError : a secret flag has no value, or `again` has a flag that the batch did not have.
    """
    given = {flags.find(word.partition("=")[0]).name: word for word in again}
    found = []
    for word in words:
        name, _, value = word.partition("=")
        flag = flags.find(name)
        if value == MASK and flag.name not in given:
            raise FlagError(
                f"the secret flag {name!r} must be given again",
                why="its value was not recorded",
                way_out=f"add {name}=...",
            )
        own = given.pop(flag.name, None)
        if own is not None and value != MASK and own != word:
            raise FlagError(
                f"{own} differs from the batch's {word}",
                why="the trials of one batch share their space",
                way_out="leave it out, or begin a new batch",
            )
        found.append(own or word)
    if given:
        (name, word), *_ = given.items()
        raise FlagError(
            f"{word} is not part of the batch",
            why=f"its flags are {' '.join(words)}",
            way_out="leave it out, or begin a new batch",
        )
    return found
