"""The page of a window shows what alarmed beside its reference."""

from __future__ import annotations

import re

import numpy as np

from penstock.monitoring.render import to_html


def test_an_alarm_has_its_plot_and_its_words(world):
    """Numbers, categories, texts; nothing from outside."""
    rows = world.rows(500)
    job = np.where(np.arange(500) < 150, "<pilot>", world.frame["job"][rows])
    report = world.watch(world.window(rows, age=world.frame["age"][rows] + 10, job=job))
    html = to_html(report)
    assert "checks alarm" in html
    assert 'aria-label="age"' in html
    assert 'aria-label="job"' in html
    assert "<pilot>" not in html
    assert "<script" not in html
    assert not re.search(r"https?://|@import|url\(", html)


def test_a_calm_window_says_so(world, regression_world):
    """With the answers' distributions."""
    for one in (world, regression_world):
        html = to_html(one.watch(one.window(one.rows(300, 5))))
        assert "Nothing differs from the reference" in html
        assert "<svg" in html


def test_an_empty_window_has_a_page(world):
    """Nothing judged."""
    assert "nothing judged" in to_html(world.watch(world.window(world.rows(0))))
