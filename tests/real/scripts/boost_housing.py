# California housing with LightGBM. A script as people write them: everything at the top of the file.
import csv
import gzip
from pathlib import Path

import lightgbm as lgb
import numpy as np

DATA = "housing.csv.gz"
NUM_LEAVES = 31
LEARNING_RATE = 0.1
ROUNDS = 60
SUBSAMPLE = 1.0
seed = 7
verbose = False

opener = gzip.open if DATA.endswith(".gz") else open
with opener(DATA, "rt", newline="") as f:
    rows = [row for row in csv.DictReader(f)]

names = [name for name in rows[0] if name not in ("median_house_value", "ocean_proximity")]
X = np.array([[float(row[name] or "nan") for name in names] for row in rows])
y = np.array([float(row["median_house_value"]) for row in rows])
order = np.random.default_rng(seed).permutation(len(y))
cut = int(len(y) * 0.8)
train = lgb.Dataset(X[order[:cut]], y[order[:cut]])
valid = lgb.Dataset(X[order[cut:]], y[order[cut:]], reference=train)

history = {}
model = lgb.train(
    {
        "objective": "regression",
        "metric": "rmse",
        "num_leaves": NUM_LEAVES,
        "learning_rate": LEARNING_RATE,
        "bagging_fraction": SUBSAMPLE,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "num_threads": 1,
        "verbosity": 1 if verbose else -1,
    },
    train,
    num_boost_round=ROUNDS,
    valid_sets=[train, valid],
    valid_names=["train", "valid"],
    callbacks=[lgb.record_evaluation(history)],
)
for i in range(0, ROUNDS, 10):
    print(f"step: {i} train_rmse: {history['train']['rmse'][i]:.1f} valid_rmse: {history['valid']['rmse'][i]:.1f}")
print("rmse: %.2f" % history["valid"]["rmse"][-1])
Path("models").mkdir(exist_ok=True)
model.save_model("models/housing.txt")
