"""`unknown-words`"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.monitoring.checks.check import CheckResult, unjudged
from penstock.monitoring.significance import ks_limit
from penstock.monitoring.view import View

LEAST = 0.05


class UnknownWords:
    """Texts whose words are less, or more, often known than usual.

    What it does
        Takes of each text the share of its words that belong to the vocabulary of the training texts, and compares the
        distribution of that share with held-out texts (Kolmogorov-Smirnov distance).
    Why it matters
        A text in another language or jargon has few words that the model can use.
    Example that fails
        Half of the messages come in Spanish; the model was trained on English ones.
    What to do
        Read some of the texts. Route them elsewhere, or label some and retrain.
    Reference
        Stephens (1970), J. R. Stat. Soc. B 32, 115.
    """

    id = "unknown-words"
    statistical = True

    def cases(self, view: View) -> Sequence[str | None]:
        return [name for name, column in view.columns.items() if column.known_words is not None]

    def judge(self, view: View, column: str | None, alpha: float) -> CheckResult:
        assert column is not None
        sketch, shares = view.columns[column].known_words, view.known_words(column)
        if sketch is None or sketch.rows == 0 or len(shares) == 0:
            return unjudged(self, column, "no texts to compare")
        value = sketch.distance(shares)
        limit = max(LEAST, ks_limit(alpha, sketch.rows, len(shares)))
        why = (
            f"on average {1 - shares.mean():.1%} of a text's words are unknown, {1 - sketch.mean:.1%} on held-out rows"
        )
        return CheckResult(self.id, column, value, limit, bool(value > limit), why)
