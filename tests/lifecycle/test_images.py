"""Images from a folder to an answer over HTTP: new, run, deploy, serve."""

from __future__ import annotations

import base64
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

Cli = Callable[..., Any]
DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data")) / "fashion_mnist"


def png(pixels: np.ndarray) -> bytes:
    """Grey values, uint8, shape (height, width), as a file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def as_url(data: bytes) -> str:
    """As a request sends it."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def stripes(dice: np.random.Generator, *, upright: bool) -> np.ndarray:
    """16 x 16 grey values with one light stripe and noise."""
    pixels = dice.integers(0, 60, (16, 16), dtype=np.uint8)
    at = int(dice.integers(3, 12))
    (pixels[:, at : at + 3] if upright else pixels[at : at + 3])[...] = 220
    return pixels


def served_answers(penstock: Cli, serve: Cli, set_line: Cli, folder: Path, asked: list[bytes]) -> tuple[Any, list[str]]:
    """A server of a model that was made of a folder `pictures`, and what it answers to images."""
    made = penstock(folder, "new", "shop", "--data", "pictures", "--target", "label")
    assert made.code == 0, made
    project = folder / "shop"
    (project / "recipe.toml").write_text('outputs = ["pixels(image, 8, 8)"]\n', encoding="utf-8")
    set_line(project, "search", 'learners = ["linear"]')
    set_line(project, "search", "workers = 1")
    done = penstock(project, "run", "--budget", "2 trials")
    assert done.code == 0, done
    deployed = penstock(project, "deploy")
    assert deployed.code == 0, deployed
    served = serve(project)
    status, body = served.ask("POST", "/predict", {"rows": [{"image": as_url(data)} for data in asked]})
    assert status == 200, body
    return served, [answer["prediction"] for answer in body["predictions"]]


def test_a_folder_of_images_is_served_and_a_broken_image_refused(
    penstock: Cli, serve: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """Pictures that nobody trained on get the right class; one that is cut off, and what is no image, a 400 with its place."""
    dice = np.random.default_rng(0)
    for name in ("upright", "level"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(100):
            data = png(stripes(dice, upright=name == "upright"))
            (tmp_path / "pictures" / name / f"{i:03}.png").write_bytes(data)
    asked = [png(stripes(dice, upright=i % 2 == 0)) for i in range(20)]
    served, said = served_answers(penstock, serve, set_line, tmp_path, asked)
    right = ["upright" if i % 2 == 0 else "level" for i in range(20)]
    assert sum(a == b for a, b in zip(said, right, strict=True)) >= 16
    for broken in (as_url(asked[0][:60]), as_url(b"no image at all"), "data:image/png;base64,@@@"):
        status, body = served.ask("POST", "/predict", {"rows": [{"image": as_url(asked[1])}, {"image": broken}]})
        assert status == 400
        assert "rows[1].image" in str(body)
    served.close()


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(
    not DATA.is_dir(), reason="Fashion-MNIST is not here: set PENSTOCK_DATA to the folder of the data sets"
)
def test_clothes_are_told_apart_over_http(penstock: Cli, serve: Cli, set_line: Cli, tmp_path: Path) -> None:
    """Trousers, sneakers and bags of Fashion-MNIST, 100 of each; nine in ten of 60 from its test part are right."""
    names = {1: "trouser", 7: "sneaker", 8: "bag"}

    def some(part: str, each: int) -> list[tuple[str, bytes]]:
        pixels = gzip.decompress((DATA / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = np.frombuffer(gzip.decompress((DATA / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
        images = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28)
        return [(names[k], png(images[i])) for k in names for i in np.flatnonzero(labels == k)[:each].tolist()]

    for number, (name, data) in enumerate(some("train", 100)):
        (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name / f"{number:03}.png").write_bytes(data)
    asked = some("t10k", 20)
    served, said = served_answers(penstock, serve, set_line, tmp_path, [data for _, data in asked])
    served.close()
    assert sum(a == name for a, (name, _) in zip(said, asked, strict=True)) >= 54
