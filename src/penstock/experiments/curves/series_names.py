"""What the name of a series says: which way is better, of which rows it is, and what it is a partner of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

Role = Literal["train", "valid", ""]

_TRAIN = frozenset({"train", "training", "tr"})
_VALID = frozenset({"val", "valid", "validation", "dev", "eval", "evaluation", "test", "heldout"})
_LESS = frozenset(
    {
        *("loss", "error", "err", "rmse", "mae", "mse", "mape", "smape", "nll", "logloss", "perplexity", "ppl", "bpb"),
        *("bpc", "wer", "cer", "brier", "crossentropy", "xent", "deviance"),
    }
)
_MORE = frozenset(
    {
        *("acc", "accuracy", "auc", "roc", "auroc", "auprc", "f1", "precision", "recall", "score", "r2", "map", "iou"),
        *("miou", "dice", "bleu", "rouge", "reward", "return", "ap", "top1", "top5", "ndcg", "mrr", "psnr", "ssim"),
        *("specificity", "sensitivity", "mcc", "kappa"),
    }
)
_GRADIENT = re.compile(r"grad(ient)?s?[_./ -]?(l2[_./ -]?)?norm|norm[_./ -]?(of[_./ -]?)?grad|^grads?$|^gnorm$", re.I)


class Pair(NamedTuple):
    """The series of training and of validation rows that measure the same; one of them may be absent."""

    stem: str
    train: str | None
    valid: str | None


@lru_cache(maxsize=4096)
def direction(name: str) -> int:
    """-1 where less is better, 1 where more is, 0 where the name does not say.

    >>> direction("val_loss"), direction("train/accuracy"), direction("learning_rate")
    (-1, 1, 0)
    """
    if is_gradient(name):
        return 0
    tokens = _tokens(name)
    if any(token in _LESS for token in tokens) or {"cross", "entropy"} <= set(tokens):
        return -1
    return 1 if any(token in _MORE for token in tokens) else 0


def is_gradient(name: str) -> bool:
    """Whether a series tells the size of gradients.

    >>> is_gradient("grad_norm/layer1"), is_gradient("grade")
    (True, False)
    """
    return _GRADIENT.search(name) is not None


def pairs_of(names: Iterable[str]) -> list[Pair]:
    """Series of training and validation rows side by side. A name without a role is that of training rows, if it has a partner.

    >>> pairs_of(["loss", "val_loss", "lr"])
    [Pair(stem='loss', train='loss', valid='val_loss')]
    """
    found: dict[str, dict[Role, str]] = {}
    for name in names:
        if direction(name) == 0:
            continue
        role, stem = role_of(name), _stem(name)
        found.setdefault(stem, {}).setdefault(role, name)
    pairs = []
    for stem, roles in found.items():
        train = roles.get("train") or roles.get("")
        pairs.append(Pair(stem, train, roles.get("valid")))
        if "train" in roles and "" in roles:  # three of one stem: the plain one stands alone
            pairs.append(Pair(stem, roles[""], None))
    return pairs


@lru_cache(maxsize=4096)
def role_of(name: str) -> Role:
    """Whether a series is of training rows, of validation rows, or does not say.

    >>> role_of("train/loss"), role_of("val_loss"), role_of("loss")
    ('train', 'valid', '')
    """
    tokens = _tokens(name)
    if any(token in _TRAIN for token in tokens):
        return "train"
    return "valid" if any(token in _VALID for token in tokens) else ""


def _stem(name: str) -> str:
    return "_".join(token for token in _tokens(name) if token not in _TRAIN and token not in _VALID)


def _tokens(name: str) -> list[str]:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)  # valLoss
    return [token for token in re.split(r"[^a-z0-9]+", split.lower()) if token]
