"""Train a classifier on the bank marketing data. A script as people write them: argparse, scikit-learn, prints."""

import argparse
import csv
import gzip
import json
import os

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler


def get_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="bank-additional-full.csv.gz", help="path of the CSV file")
    parser.add_argument("--lr", "--learning-rate", dest="lr", type=float, default=0.01, help="learning rate")
    parser.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--loss", choices=["log_loss", "modified_huber"], default="log_loss")
    parser.add_argument("--no-scale", action="store_true", help="leave the features as they are")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", default="outputs")
    return parser.parse_args()


def main():
    args = get_args()
    with gzip.open(args.data, "rt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    numeric = ["age", "campaign", "pdays", "previous", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m"]
    X = np.array([[float(row[name]) for name in numeric] for row in rows])
    y = np.array([row["y"] == "yes" for row in rows], dtype=int)
    order = np.random.default_rng(args.seed).permutation(len(y))
    train, valid = order[: len(y) * 4 // 5], order[len(y) * 4 // 5 :]
    if not args.no_scale:
        X = StandardScaler().fit(X[train]).transform(X)
    model = SGDClassifier(
        loss=args.loss, alpha=args.alpha, learning_rate="constant", eta0=args.lr, random_state=args.seed
    )
    for epoch in range(args.epochs):
        model.partial_fit(X[train], y[train], classes=[0, 1])
        p = model.predict_proba(X[train])[:, 1], model.predict_proba(X[valid])[:, 1]
        print(f"epoch: {epoch + 1}  loss: {log_loss(y[train], p[0]):.5f}  val_loss: {log_loss(y[valid], p[1]):.5f}")
    print("roc_auc:", round(roc_auc_score(y[valid], p[1]), 5))
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "coefficients.json"), "w") as file:
        json.dump(dict(zip(numeric, model.coef_[0].tolist(), strict=True)), file, indent=2)


if __name__ == "__main__":
    main()
