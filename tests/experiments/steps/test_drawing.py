"""Graphs as text and as SVG."""

from __future__ import annotations

import random
import xml.etree.ElementTree as Xml

import pytest

from penstock.experiments.steps.drawing import Box, draw_list, draw_svg, draw_text
from penstock.experiments.steps.layers import arrange

DIAMOND = {("a", "b"): "x", ("a", "c"): "y", ("b", "d"): "", ("c", "d"): "", ("a", "d"): "z"}


def boxes(*names: str, note: str = "") -> dict[str, Box]:
    return {name: Box(name, note) for name in names}


def test_a_diamond_with_a_shortcut_is_drawn_without_crossings() -> None:
    """The line that passes a layer goes beside its boxes."""
    assert draw_text(boxes("a", "b", "c", "d"), DIAMOND).splitlines() == [
        "       ┌───┐",
        "       │ a │",
        "       └─┬─┘",
        "  ╭──────┴┬─────╮",
        "  ▼       ▼     │",
        "┌───┐   ┌───┐   │",
        "│ b │   │ c │   │",
        "└─┬─┘   └─┬─┘   │",
        "  ╰──────┬┴─────╯",
        "         ▼",
        "       ┌───┐",
        "       │ d │",
        "       └───┘",
    ]


def reached(picture: str, title: str, titles: list[str]) -> set[str]:
    """The boxes that one gets to by following the lines down from a box: what a reader would read."""
    rows = picture.splitlines()
    wide = max(map(len, rows))
    grid = [row.ljust(wide) for row in rows]
    sides = {"│": 5, "─": 10, "╭": 6, "╮": 12, "╰": 3, "╯": 9, "├": 7, "┤": 13, "┬": 14, "┴": 11, "┼": 15, "╵": 1}
    top = next(r for r, row in enumerate(grid) if f" {title} " in row)
    left = grid[top].index(f" {title} ")
    floor = next(r for r in range(top, len(grid)) if grid[r][left] in "─┬")
    edge = grid[floor].rindex("└", 0, left + 1)
    end = grid[floor].index("┘", left)
    port = grid[floor].find("┬", edge, end)
    found: set[str] = set()
    seen: set[tuple[int, int, int]] = set()
    queue = [(floor + 1, port, 4)] if port >= 0 else []
    while queue:
        row, column, heading = queue.pop()
        if (row, column, heading) in seen:
            continue
        seen.add((row, column, heading))
        cell = grid[row][column]
        if cell == "▼":
            below = grid[row + 2]
            found.update(
                t for t in titles if f" {t} " in below and abs(below.index(f" {t} ") + (len(t) + 1) // 2 - column) <= 1
            )
            continue
        if cell == "│" and heading in (2, 8):  # this line passes under another
            queue.append((row, column + (1 if heading == 2 else -1), heading))
            continue
        back = {4: 1, 1: 4, 2: 8, 8: 2}[heading]
        for side, (down, right) in {2: (0, 1), 4: (1, 0), 8: (0, -1)}.items():
            if sides.get(cell, 0) & side and side != back:
                queue.append((row + down, column + right, side))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_picture_shows_every_edge_of_a_random_graph(seed: int) -> None:
    """Following the lines down from a box leads to each box that it has an edge to."""
    rng = random.Random(seed)
    names = [f"n{i}" for i in range(rng.randint(2, 9))]
    edges = {(a, b): "" for i, a in enumerate(names) for b in names[i + 1 :] if rng.random() < 0.3}
    picture = draw_text(boxes(*names), edges)
    depth = arrange(dict.fromkeys(names, 5), list(edges), gap=2, bend=1).depth
    for name in names:
        direct = {b for a, b in edges if a == name and depth[b] == depth[name] + 1}
        assert direct <= reached(picture, name, names), f"{name} in\n{picture}"


def test_a_picture_that_is_too_wide_becomes_a_list() -> None:
    """Of what follows what."""
    many = boxes(*(f"step{i}" for i in range(20)), note="stale")
    edges = {("step0", "step19"): ""}
    assert draw_text(many, edges, width=80) == draw_list(many, edges)
    assert "step19 [stale] <- step0" in draw_list(many, edges)


def test_wide_characters_keep_the_boxes_straight() -> None:
    """A Chinese character takes two columns."""
    assert draw_text(boxes("準備"), {}).splitlines() == ["┌───────┐", "│ 準備  │", "└───────┘"]


def test_the_svg_is_well_formed_and_escapes_what_it_shows() -> None:
    """Whatever steps are called."""
    names = {"a": Box("<b>&", 'say "x"', "warn", "why <not>"), "d": Box("d")}
    text = draw_svg(names, {("a", "d"): "x<y>.csv"}, name='"quoted" & <b>')
    root = Xml.fromstring(text)
    assert root.attrib["aria-label"] == '"quoted" & <b>'
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["x<y>.csv", "why <not>"]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_boxes_of_an_svg_do_not_overlap() -> None:
    """In their layers."""
    names = [f"a step with a long name {i}" for i in range(8)]
    edges = {(a, b): "" for a in names[:3] for b in names[3:]}
    root = Xml.fromstring(draw_svg(boxes(*names), edges))
    rects = [
        (float(r.attrib["y"]), float(r.attrib["x"]), float(r.attrib["width"]))
        for r in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    for y, x, width in rects:
        assert all(oy != y or ox == x or ox >= x + width or ox + owide <= x for oy, ox, owide in rects)


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty graph is an empty picture."""
    assert draw_text({}, {}) == ""
    Xml.fromstring(draw_svg({}, {}))
