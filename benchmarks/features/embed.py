"""What a sentence model adds to word counts, on short messages: ``python benchmarks/features/embed.py --data DIR``.

Ten parts of `sms_spam`, dealt at random by one seed, each once held out; a logistic regression with the same few strengths of
regularisation on each kind of features, chosen within the other nine parts. No row is scored that was learned from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.sentences import PACKAGE

SPEC = ColumnSpec("text", Kind.TEXT)


def fitted(expression: str, frame: Frame, y: np.ndarray):
    return fit_recipe(Recipe.parse(f'outputs = ["{expression}"]'), None, frame, [SPEC], y, Task.BINARY, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=PACKAGE)
    parser.add_argument("--few", type=int, default=200, help="training rows of the second table")
    asked = parser.parse_args()
    lines = (asked.data / "sms_spam" / "SMSSpamCollection.tsv").read_text("utf-8").splitlines()
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    first = {text: row for row, text in reversed(list(enumerate(texts)))}  # each message once: copies would be known
    rows = sorted(first.values())
    y = np.array([labels[row] == "spam" for row in rows]).astype(np.int64)
    frame = Frame({"text": typed_array([texts[row] for row in rows], Kind.TEXT)}, {"text": Kind.TEXT}, len(rows))
    start = time.process_time()
    vectors = fitted(f"embed(text, model='{asked.model}')", frame, y).transform(frame)
    print(f"{len(rows)} messages, {1000 * (time.process_time() - start) / len(rows):.1f} ms CPU each")
    for few in (None, asked.few):
        scores: dict[str, list[tuple[float, float]]] = {"words": [], "vectors": [], "both": []}
        for learn, held in StratifiedKFold(10, shuffle=True, random_state=0).split(vectors, y):
            if few is not None:
                learn = np.random.default_rng(0).permutation(learn)[:few]
            words = fitted("tfidf(text, 2)", frame.take(learn), y[learn])
            scaler = StandardScaler().fit(vectors[learn])
            inner = [
                tuple(map(sparse.csr_matrix, (words.transform(frame.take(part)), scaler.transform(vectors[part]) / 20)))
                for part in (learn, held)
            ]
            for name, pick in (("words", [0]), ("vectors", [1]), ("both", [0, 1])):
                known, new = (sparse.hstack([part[i] for i in pick], format="csr") for part in inner)
                model = LogisticRegressionCV(Cs=[1, 10, 100], cv=3, scoring="average_precision", max_iter=300).fit(
                    known, y[learn]
                )
                chance = model.predict_proba(new)[:, 1]
                scores[name].append((f1_score(y[held], chance > 0.5), average_precision_score(y[held], chance)))
        print(f"training rows: {'all others' if few is None else few}")
        for name, got in scores.items():
            mean, spread = np.mean(got, axis=0), np.std(got, axis=0, ddof=1)
            print(f"  {name:8} F1 {mean[0]:.3f} ({spread[0]:.3f})  average precision {mean[1]:.3f} ({spread[1]:.3f})")


if __name__ == "__main__":
    main()
