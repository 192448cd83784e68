"""Metrics in printed lines."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DeclarationError
from penstock.experiments.metrics.lines import MOST_NAMES, PrintedMetrics


def read(text: str | bytes, patterns: tuple[str, ...] = (), *, pieces: int = 0) -> list[dict[str, Any]]:
    """What is found in a text that comes whole, or in pieces."""
    found: list[dict[str, Any]] = []
    reader = PrintedMetrics(found.append, patterns)
    data = text.encode() if isinstance(text, str) else text
    for start in range(0, len(data), pieces or len(data) or 1):
        reader.feed(data[start : start + (pieces or len(data))])
    reader.flush()
    return found


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("loss: 0.25", {"loss": 0.25}),
        ("epoch: 3 loss: 0.5 acc: 0.9", {"step": 3, "loss": 0.5, "acc": 0.9}),
        ("epoch: 3  val loss: 0.3, acc: 91%", {"step": 3, "val_loss": 0.3, "acc": 91}),
        ("Epoch 3/10 - loss: 0.5 - val_loss: 0.6", {"step": 3, "loss": 0.5, "val_loss": 0.6}),
        ("10/10 ━━━━ 0s 5ms/step - accuracy: 0.5 - loss: nan", {"accuracy": 0.5, "loss": math.nan}),
        (
            "[20]\tvalid_0's auc: 0.93\tvalid_0's binary_logloss: 0.3",
            {"step": 20, "valid_0_auc": 0.93, "valid_0_binary_logloss": 0.3},
        ),
        (
            "[0]\tvalidation_0-logloss:0.55\tvalidation_1-logloss:1e-3",
            {"step": 0, "validation_0-logloss": 0.55, "validation_1-logloss": 1e-3},
        ),
        ("{'loss': 0.5, 'grad_norm': np.float64(1.5), 'epoch': 1.0}", {"loss": 0.5, "grad_norm": 1.5, "epoch": 1.0}),
        ('{"step": 7, "loss": 0.5}', {"step": 7, "loss": 0.5}),
        ("Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039", {"step": 1, "Loss": 2.300039}),
        ("Epoch [2/5], Step [100/600], Loss: 0.1234", {"step": 100, "Loss": 0.1234}),
        ("epoch: 2 step: 100 loss: 5", {"step": 100, "epoch": 2, "loss": 5}),
        ("global_step: 5 loss: .5", {"step": 5, "loss": 0.5}),
        ("2026-01-01 12:00:00,123 - root - INFO - step: 7 loss: 1.5", {"step": 7, "loss": 1.5}),
        ("INFO:root:loss: 3", {"loss": 3}),
        ("loss: tensor(0.5123, grad_fn=<NllLoss>)", {"loss": 0.5123}),
        ("\x1b[32mloss\x1b[0m: \x1b[1m0.5\x1b[0m", {"loss": 0.5}),
        ("précision: 0.9", {"précision": 0.9}),
        ("Test set: Average loss: 0.0576, Accuracy: 9817/10000 (98%)", {"Average_loss": 0.0576}),
        ("Test accuracy: 0.93 (+/- 0.02)", {"Test_accuracy": 0.93}),
        ("Accuracy: 0.95.", {"Accuracy": 0.95}),
        ("loss: -inf", {"loss": -math.inf}),
        ("loss: 1e-3 lr: 5E-4", {"loss": 1e-3, "lr": 5e-4}),
        ("loss: +1.", {"loss": 1.0}),
        ("samples: 60,000 rows: 1,234,567, loss: 1,234.5", {"samples": 60_000, "rows": 1_234_567, "loss": 1234.5}),
        ("cost: -1,200, acc: 0.5", {"cost": -1200, "acc": 0.5}),
        ("step 1,200 loss: 0.5", {"step": 1200, "loss": 0.5}),
        ("2026-01-01 12:00:10,123 loss: 0.5,acc: 0.9", {"loss": 0.5, "acc": 0.9}),
        ("acc: 91,5 loss: 0,125 f1: 1,2345 auc: 0.9", {"auc": 0.9}),
    ],
)
def test_what_trainings_print_is_understood(line: str, values: dict[str, float]) -> None:
    """As PyTorch's examples, Keras, LightGBM, XGBoost, Hugging Face and plain people print."""
    (found,) = read(line + "\n")
    assert list(found) == list(values)
    assert all(a == b or (a != a and b != b) for a, b in zip(found.values(), values.values(), strict=True))


@pytest.mark.parametrize(
    "line",
    [
        "time: 3.2s",
        "size: 12/60",
        "at: 12:30",
        "Date: 2026-01-01",
        "address: 10.0.0.1",
        "listening on http://localhost:8080",
        "The final model has loss: 0.5",
        'File "train.py", line: 3x',
        "lr=0.1 epochs=3",
        ": 5",
        "3: 5",
        "a:b: c",
        "version: 1.2.3",
        "loss: none",
        "",
    ],
)
def test_what_only_looks_like_a_metric_is_none(line: str) -> None:
    """Times, sizes, addresses, prose."""
    assert read(line + "\n") == []


def test_a_line_of_the_step_alone_gives_the_step_of_those_that_follow() -> None:
    """Keras prints the epoch on a line of its own."""
    assert read("Epoch 1/2\nloss: 3\nEpoch 2/2\nloss: 2\nacc: 1\n") == [
        {"step": 1, "loss": 3},
        {"step": 2, "loss": 2},
        {"step": 2, "acc": 1},
    ]


def test_progress_bars_end_their_lines_with_a_return() -> None:
    """Each state of the bar is a line."""
    assert read("loss: 1\rloss: 2\r\nloss: 3\n") == [{"loss": 1}, {"loss": 2}, {"loss": 3}]


def test_invalid_utf8_and_lines_without_end_hide_nothing() -> None:
    """Neither breaks what comes after."""
    assert read(b"\xff\xfe bad\nloss: 1\n") == [{"loss": 1}]
    assert read(b"x" * 300_000 + b" a: 1\nloss: 2\n", pieces=65536) == [{"loss": 2}]
    assert read("loss: 2") == [{"loss": 2}]


@given(
    st.lists(st.sampled_from(["Epoch 2/3", "loss: 0.5 acc: 1", "hello", "é: 3", "step 4 loss: nan", ""]), max_size=12),
    st.integers(1, 40),
)
def test_it_does_not_matter_in_which_pieces_output_comes(lines: list[str], size: int) -> None:
    """The same metrics, whatever the pipe did."""
    text = "\n".join(lines) + "\n"
    assert repr(read(text, pieces=size)) == repr(read(text))


@given(st.text(max_size=200))
def test_no_output_breaks_it(text: str) -> None:
    """Whatever is printed."""
    for values in read(text.encode("utf-8", "surrogatepass")):
        assert all(isinstance(value, int | float) for value in values.values())


def test_patterns_of_the_users_own_replace_the_usual_one() -> None:
    """Named groups, key and value, two groups, and the built-in names."""
    assert read("loss is 0.5 at 3\nacc: 1\n", (r"(?P<loss_>x)?loss is (?P<loss>\S+) at (?P<step>\d+)",)) == [
        {"step": 3, "loss": 0.5}
    ]
    assert read("a -> 1, b -> 2\n", (r"(?P<key>\w) -> (?P<value>\d)",)) == [{"a": 1, "b": 2}]
    assert read("a 1\n", (r"^(\w) (\d)$",)) == [{"a": 1}]
    assert read("epoch=3 loss=0.5 x: 1\n", ("key=value",)) == [{"step": 3, "loss": 0.5}]
    assert read("epoch=3 loss=0.5 x: 1\n", ("key=value", "key: value")) == [{"step": 3, "x": 1, "loss": 0.5}]
    assert read("loss is high\n", (r"loss is (?P<loss>\S+)",)) == []


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "no regular expression"), ("loss", "names no metric"), ("(?P<key>x)", "names no metric")],
)
def test_a_pattern_that_cannot_work_is_refused(pattern: str, said: str) -> None:
    """Before anything runs."""
    with pytest.raises(DeclarationError, match=said):
        PrintedMetrics(lambda _: None, (pattern,))


def test_a_list_that_is_printed_does_not_become_a_thousand_metrics_and_more() -> None:
    """Beyond a thousand names, new ones are left out, and one is named."""
    found: list[dict[str, Any]] = []
    reader = PrintedMetrics(found.append)
    reader.feed("".join(f"name{i}: {i}\n" for i in range(MOST_NAMES + 5)).encode() + b"name1: 7\n")
    assert len(found) == MOST_NAMES + 1
    assert reader.refused == f"name{MOST_NAMES}"
