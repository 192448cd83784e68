"""`near-duplicate-texts`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.bundle.kinds import Kind
from penstock.data.quality.check import Finding, failures_or_nearest, finding
from penstock.data.quality.near import nearly_same
from penstock.data.quality.view import View


class NearDuplicateTexts:
    """Texts that are nearly the same as an earlier one.

    What it does
        Finds texts that share four fifths of their words and pairs of words with an earlier text (Jaccard similarity, candidates
        by MinHash), and counts them within training rows, and between training and validation or test rows; of test rows the
        sealing step tells the number. It fails where their share of all rows that were looked at exceeds the limit (2 %).
        At most 20,000 rows of each part are looked at, drawn by a seed, and of each text the first 300 words.
    Why it matters
        The hash that keeps equal rows in one part does not know that a text was only re-sent with another name in it. Such
        rows let a model recite, and the score comes out too high.
    Example that fails
        A campaign sent one message to 400 people with their names in it; 80 of them are validation rows.
    What to do
        Remove the repetitions at the source, or give them a common number and deal by it (`[split] by = "group:COLUMN"`).
    Reference
        Broder (1997), On the resemblance and containment of documents; Lee et al. (2022), Deduplicating training data makes
        language models better, ACL.
    """

    id = "near-duplicate-texts"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        found = [self._column(view, name, limit) for name in view.of_kind(Kind.TEXT)]
        return failures_or_nearest(self, found, limit, "there is no text column")

    def _column(self, view: View, name: str, limit: float) -> Finding:
        train, valid = view.sample_frame[name], view.valid[name][view.valid_sample]
        earlier = nearly_same(np.concatenate([train, valid]))
        n = len(train)
        within, later = earlier[:n] >= 0, earlier[n:]
        crossing = int(((later >= 0) & (later < n)).sum())
        rows, near = n + len(valid), int((earlier >= 0).sum())
        why = f"{int(within.sum())} of {n} training rows, and {crossing} of {len(valid)} validation rows near a training row"
        if view.sealed is not None and name in view.sealed.near_texts:
            near, rows = near + view.sealed.near_texts[name], rows + view.sealed.rows
            why += f", and {view.sealed.near_texts[name]} of {view.sealed.rows} test rows"
        return finding(self, name, near / max(1, rows), limit, why, rows=view.sample[np.flatnonzero(within)])
