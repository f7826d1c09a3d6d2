"""`colabpanel.preview`: what a notebook shows for whatever can be looked at."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colabpanel
from colabpanel.errors import InputError, OutsideRootError
from tests.image_files import SVG, file_of, photo, write


def test_an_array_is_text_an_image_and_a_viewer() -> None:
    array = np.asarray(photo(60, 40))
    shown = colabpanel.preview(array, title="photo")
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown) == "<Preview of photo: 60 x 40, numpy ndarray, uint8>"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))), array)
    assert 'class="cp-viewer"' in bundle["text/html"]
    assert bundle["image/png"] in bundle["text/html"]


def test_paths_bytes_and_images_are_shown(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": file_of(photo(), "PNG")})
    for value in (tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), photo()):
        assert colabpanel.preview(value).picture.width == 300
    with pytest.raises(OutsideRootError):
        colabpanel.preview("../a.png", root=tmp_path / "in")
    with pytest.raises(InputError, match="cannot be shown as a picture"):
        colabpanel.preview(3)


def test_a_batch_takes_its_options() -> None:
    batch = np.random.default_rng(0).normal(size=(4, 3, 8, 8))
    one = colabpanel.preview(batch, layout="NCHW", undo="minmax", index=2, mask=np.ones((4, 8, 8), bool))
    assert one.picture.notes[0].startswith("Image 2 of 4")


def test_a_drawing_is_in_the_viewer_alone() -> None:
    bundle = colabpanel.preview(SVG, title="a.svg")._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "<script" not in bundle["text/html"]
    assert base64.b64encode(SVG).decode() in bundle["text/html"]


def test_what_cannot_be_sent_is_marked() -> None:
    shown = colabpanel.preview(np.zeros((4, 4)), title="a\ud800<b>")
    repr(shown).encode()
    bundle = shown._repr_mimebundle_()
    assert "<b>" not in bundle["text/html"]
