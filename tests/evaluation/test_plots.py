"""Plots are well-formed SVG with round ticks."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from penstock.evaluation.plots import Axis, Chart, around, heat_map, interval_bar, legend, number


def test_every_mark_is_well_formed_and_inside():
    """All kinds of marks on one chart."""
    chart = Chart(Axis("x < y", -1, 3), Axis("y & z", 0, 10), name='a "plot"')
    chart.line([0, 3], [0, 10], "dash", tip="<tip>").points([1], [2], tips=["a&b"]).bars(
        [0, 1, 2], [3, 4], tips=["1", "2"]
    )
    chart.band([0, 1], [0, 1], [2, 3]).whiskers([1], [2], [3]).columns(
        [[1, 2], [2, 1]], ["s0", "s1"], tips=[["a", "b"]] * 2
    )
    root = ET.fromstring(chart.svg(x_ticks=[(0.5, "<a>")], turn=True))
    for rect in root.iter("rect"):
        assert 0 <= float(rect.get("x")) <= chart.width
        assert 0 <= float(rect.get("y")) <= chart.height
    ET.fromstring(heat_map([[1, 0], [0, 0]], ["<a>", "b" * 40], name="m"))
    ET.fromstring(interval_bar(Axis("", 0, 1), 0.5, 0.2, 0.7, mark=0.1))
    assert "&lt;b&gt;" in legend([("s0", "<b>")])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 17), (0.001, 0.0012), (1e6, 5e6), (-1e-9, 1e-9), (1999, 2024)])
def test_ticks_are_round_few_and_inside(low, high):
    """Whatever the range."""
    ticks = Axis("", low, high).ticks()
    assert 2 <= len(ticks) <= 7
    air = (high - low) * 1e-6
    assert all(low - air <= value <= high + air for value, _ in ticks)


def test_an_axis_around_values_holds_them_all():
    """One value and no value too."""
    for values in ([1.0, 5.0], [3.0], [], [0.0], [float("nan"), 2.0]):
        axis = around("x", values)
        assert axis.low < axis.high
        assert all(axis.low <= v <= axis.high for v in values if v == v)
    assert around("x", [2.0, 8.0], zero=True).low == 0


def test_ticks_of_tiny_and_huge_numbers_stay_short():
    """No long runs of zeros."""
    assert [number(v, 8) for v in (0.00002, 3e9, 15500.0)] == ["2e-05", "3e+09", "15.5k"]
