"""pixels, against Pillow and by hand."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.images import data_url, image_of, pixels_of
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.preparing import Prepared
from penstock.bundle.specs import ColumnSpec
from penstock.errors import RequestError
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.features.steps.pixels import Pixels
from penstock.testing.step import StepContract


def png(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def url(array: np.ndarray) -> str:
    return data_url(png(Image.fromarray(array)), "PNG")


class TestPixels(StepContract):
    """On texts that are no images, all is missing; the promises hold all the same."""

    @pytest.fixture
    def step(self) -> Pixels:
        return Pixels(3, 2)


def fitted(recipe: str, images: list[str | None]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and features of a column of images."""
    frame = Frame({"image": typed_array(images, Kind.TEXT)}, {"image": Kind.TEXT}, len(images))
    spec = ColumnSpec("image", Kind.TEXT)
    found = fit_recipe(Recipe.parse(f'outputs = ["{recipe}"]'), None, frame, [spec], None, Task.REGRESSION, 0)
    return found.names, found.transform(frame)


def test_pixels_are_those_of_the_image_row_by_row() -> None:
    """At its own size nothing is changed; plain base64 and a data URL are one; a missing one has none."""
    array = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    plain = base64.b64encode(png(Image.fromarray(array))).decode()
    names, features = fitted("pixels(image, 3, 4)", [url(array), plain, None, "no image at all"])
    assert names[:2] == ("image [pixels_grey 3 4]: 0,0", "image [pixels_grey 3 4]: 0,1")
    assert len(set(names)) == 12
    assert features[0].tolist() == features[1].tolist() == array.ravel().tolist()
    assert np.isnan(features[2:]).all()


def test_a_smaller_image_is_the_mean_of_what_it_covers() -> None:
    """Blocks of two by two."""
    array = np.random.default_rng(0).integers(0, 256, (8, 6), dtype=np.uint8)
    _, features = fitted("pixels(image, 4, 3)", [url(array)])
    means = array.reshape(4, 2, 3, 2).mean(axis=(1, 3)).ravel()
    assert np.abs(features[0] - means).max() <= 1  # Pillow rounds up, twice


def test_colours_are_three_numbers_for_each_pixel() -> None:
    """Red, green, blue; a grey image has the same in all; what is see-through is white."""
    colours = np.zeros((1, 2, 3), dtype=np.uint8)
    colours[0, 0], colours[0, 1] = (255, 1, 2), (3, 4, 5)
    seen = np.dstack([colours, np.array([[255, 0]], dtype=np.uint8)])
    _, features = fitted("pixels(image, 1, 2, rgb)", [url(colours), url(seen), url(np.full((1, 2), 9, dtype=np.uint8))])
    assert features.tolist() == [[255, 1, 2, 3, 4, 5], [255, 1, 2, 255, 255, 255], [9] * 6]


def test_sixteen_bits_are_scaled_not_cut() -> None:
    """As scanners and microscopes write them."""
    deep = Image.fromarray(np.array([[0, 65535, 32896]], dtype=np.uint16))
    assert pixels_of(base64.b64encode(png(deep)).decode(), 1, 3, "grey") == "0 255 128"


def test_a_stored_layout_gives_the_same_pixels() -> None:
    """The tree says colour and size."""
    tree = Prepared("pixels_rgb", (Prepared("tokens", ("image",)),), (2, 2))
    assert Prepared.from_json(tree.to_json()) == tree
    assert tree.images == ("image",)
    assert Prepared("tokens", ("note",)).images == ()


@pytest.mark.parametrize("text", ["?", "aGVsbG8=", "data:image/png;base64,iVBORw0KGgo="])
def test_who_asks_is_told_what_is_wrong_with_an_image(text: str) -> None:
    """No base64; no image; an image that is cut off."""
    with pytest.raises(RequestError, match="an image cannot be read") as caught:
        image_of(text)
    assert "data:image/png;base64" in caught.value.way_out


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the size that it names, before it is unpacked."""
    monkeypatch.setattr("penstock.bundle.images.MAX_PIXELS", 11)
    with pytest.raises(RequestError, match="at most 11 pixels"):
        image_of(url(np.zeros((3, 4), dtype=np.uint8)))
