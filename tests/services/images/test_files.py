"""Pictures of image files: what is shown, what is told, and that nothing hostile gets through."""

from __future__ import annotations

import base64
import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError, OutsideRootError, PathError
from colabpanel.services import optional as optional_module
from colabpanel.services.images import documents, files, rendering, service
from colabpanel.services.images.models import Picture
from colabpanel.services.images.service import look, look_at_bytes, picture_from, pixel
from colabpanel.services.images.worker import Answerer
from tests.image_files import SVG, file_of, hostile, moving, photo, png_bomb, with_exif, write


def _answer(data: bytes, task: str = "picture", name: str = "image.png", **more: Any) -> dict[str, Any]:
    """Ask in this process, as the process of its own does."""
    return Answerer().answer({"task": task, "data": data, "name": name, "frame": 0, **more})


def _picture(data: bytes, name: str = "image.png", **more: Any) -> Picture:
    answer = _answer(data, name=name, **more)
    assert "answer" in answer, answer
    return picture_from(answer["answer"])


def _pixels(picture: Picture) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(picture.data)))


def test_a_photograph_is_shown_as_it_is() -> None:
    image = photo()
    picture = _picture(file_of(image, "PNG"), "folder/a.png")
    assert (picture.title, picture.width, picture.height, picture.format, picture.mode) == (
        "a.png",
        300,
        200,
        "PNG",
        "RGB",
    )
    assert picture.exact
    assert picture.frames == 1
    assert picture.notes == ()
    assert np.array_equal(_pixels(picture), np.asarray(image))
    assert [name for name, _ in picture.histogram] == ["Red", "Green", "Blue"]
    assert all(sum(counts) == 300 * 200 for _, counts in picture.histogram)


def test_a_large_one_is_reduced_and_says_so() -> None:
    picture = _picture(file_of(photo(4000, 1000), "JPEG"), "a.jpg")
    assert (picture.width, picture.height) == (4000, 1000)
    assert _pixels(picture).shape == (400, 1600, 3)
    assert not picture.exact


def test_what_is_too_many_bytes_as_png_becomes_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1200, 4), dtype=np.uint8)
    assert _picture(file_of(Image.fromarray(noise[..., :3]), "PNG")).kind == "image/jpeg"
    clear = _picture(file_of(Image.fromarray(noise), "PNG"))
    assert clear.kind in {"image/png", "image/jpeg"}
    assert len(clear.data) < 3 << 20
    assert not clear.exact


def test_more_bytes_than_can_be_handed_over_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_MOST_BYTES", 10)
    with pytest.raises(InputError, match="which is too much"):
        look_at_bytes(bytes(11))


def test_noise_with_transparency_is_small_enough_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_MOST_PNG", 20_000)
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 4), dtype=np.uint8)
    picture = _picture(file_of(Image.fromarray(noise), "PNG"))
    assert picture.kind == "image/jpeg"
    assert not picture.exact


def test_exif_turns_it_and_is_told() -> None:
    picture = _picture(with_exif(photo(), 6), "a.jpg")
    assert (picture.width, picture.height) == (200, 300)
    details = dict(picture.details)
    assert details["Camera maker"] == "<b>ACME</b>"
    assert details["Exposure (s)"] == "0.5"
    assert "applied" in details["Orientation"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pixel_is_that_of_the_image_as_it_is_shown(orientation: int) -> None:
    image = Image.new("RGB", (30, 20), "black")
    image.paste((250, 0, 0), (0, 0, 8, 8))
    data = with_exif(image, orientation)
    shown = _pixels(_picture(data, "a.jpg"))
    row, column = (int(index) for index in np.argwhere(shown[..., 0] > 200)[0])
    assert _answer(data, "pixel", x=column, y=row)["answer"] == shown[row, column].tolist()
    assert _answer(data, "pixel", x=column, y=row)["answer"][0] > 200


def test_sixteen_bits_are_scaled_and_read_exactly() -> None:
    values = np.linspace(300, 60_000, 600).astype(np.uint16).reshape(20, 30)
    data = file_of(Image.fromarray(values), "PNG")
    picture = _picture(data)
    assert (picture.mode, picture.low, picture.high) == ("I;16", 300.0, 60_000.0)
    assert (_pixels(picture).min(), _pixels(picture).max()) == (0, 255)
    assert not picture.exact
    assert _answer(data, "pixel", x=7, y=3)["answer"] == [float(values[3, 7])]


def _png(width: int, depth: int, colour: int, rows: list[bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_pixels_are_those_of_the_file_or_are_not_told() -> None:
    for depth, row, value in ((4, b"\x1f", 1.0), (2, b"\x70", 1.0), (2, b"\xb0", 2.0)):
        data = _png(2, depth, 0, [row])
        assert not _picture(data).exact
        assert _answer(data, "pixel", x=0, y=0)["answer"] == [value]
    fine = _png(1, 16, 2, [struct.pack(">HHH", 1000, 2000, 65535)])
    assert not _picture(fine).exact
    assert "finer values than are decoded" in _answer(fine, "pixel", x=0, y=0)["trouble"]
    plain = {b"P5 1 1 255\n\x07": [7.0], b"P2 1 1 65535\n1000\n": [1000.0], b"P5 1 1 15\n\x07": None}
    for data, values in plain.items():
        assert _answer(data, "pixel", name="a.pgm", x=0, y=0).get("answer") == values


def test_a_file_whose_later_pages_are_damaged_shows_its_first() -> None:
    stream = io.BytesIO()
    photo(30, 20).save(stream, "TIFF")
    data = bytearray(stream.getvalue())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data) + 1000)
    picture = _picture(bytes(data), "a.tif")
    assert (picture.width, picture.height) == (30, 20)
    assert np.array_equal(_pixels(picture), np.asarray(photo(30, 20)))


def test_a_page_of_the_web_with_a_drawing_in_it_is_no_drawing() -> None:
    page = b"<!DOCTYPE html><html><body><svg width='9'></svg></body></html>"
    assert "answer" not in _answer(page, name="cat.jpg")
    assert "answer" not in _answer(page, name="cat.svg")
    head = b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- <html> --><!DOCTYPE svg [ <!ELEMENT a ANY> ]>\n"
    assert _picture(head + SVG.lstrip(), "a.svg").kind == "image/svg+xml"


def test_floats_with_holes_are_scaled() -> None:
    values = np.linspace(-2, 5, 600, dtype=np.float32).reshape(20, 30)
    values[0, :3] = np.nan, np.inf, -np.inf
    picture = _picture(file_of(Image.fromarray(values), "TIFF"), "a.tif")
    assert picture.low == pytest.approx(values[0, 3])
    assert picture.high == pytest.approx(5)
    assert _pixels(picture)[0, :3].tolist() == [0, 255, 0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "LAB", "I", "F"])
def test_every_mode_can_be_seen(mode: str) -> None:
    image = photo(40, 30).convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (40, 30), (90, 20, 30))
    picture = _picture(file_of(image, "TIFF"), "a.tif")
    assert picture.mode == mode
    assert (picture.width, picture.height) == (40, 30)
    assert _pixels(picture).shape[:2] == (30, 40)
    assert any("CMYK" in note for note in picture.notes) == (mode == "CMYK")


def test_a_palette_with_a_clear_colour_stays_clear() -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.putpixel((5, 5), 1)
    shown = _pixels(_picture(file_of(image, "GIF", transparency=0), "a.gif"))
    assert shown[5, 5].tolist() == [200, 0, 0, 255]
    assert shown[0, 0, 3] == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_move_for_a_few_frames(kind: str) -> None:
    data = moving(kind, 60, duration=30) if kind != "WEBP" else moving(kind, 60, duration=30, lossless=True)
    picture = _picture(data, f"a.{kind.lower()}")
    assert picture.frames == 60
    shown = Image.open(io.BytesIO(picture.animation))
    assert (shown.format, getattr(shown, "n_frames", 1)) == ("WEBP", 40)
    assert _pixels(picture).reshape(-1, 3 if kind != "GIF" else _pixels(picture).shape[-1])[0, 0] == 0
    assert _picture(data, frame=59).animation == b""


def test_pages_of_a_tiff_are_chosen() -> None:
    data = moving("TIFF", 5)
    picture = _picture(data, "a.tif", frame=3)
    assert (picture.frame, picture.frames) == (3, 5)
    assert _pixels(picture)[0, 0].tolist() == [111, 0, 90]
    assert "has 5 pages" in _answer(data, frame=5)["trouble"]
    assert "has 5 pages" in _answer(data, frame=-1)["trouble"]
    assert "cannot be read" in _answer(data, "pixel", frame=99, x=0, y=0)["trouble"]


def test_ten_thousand_frames_are_counted_and_few_decoded() -> None:
    picture = _picture(moving("GIF", 10_000), "a.gif")
    assert picture.frames == 10_000
    assert len(picture.animation) < 1 << 20


def test_a_drawing_is_passed_on_and_its_scripts_are_told() -> None:
    picture = _picture(SVG, "a.svg")
    assert (picture.kind, picture.data, picture.width, picture.height) == ("image/svg+xml", SVG, 10, 20)
    assert picture.notes == ("It holds scripts, which do not run here.",)
    plain = _picture(b'<svg xmlns="http://www.w3.org/2000/svg" width="1e999" height="5%"/>', "a.svg")
    assert (plain.width, plain.height, plain.notes) == (None, None, ())
    points = _picture(b'<svg width="72pt" height=" 9px "/>', "a.svg")
    assert (points.width, points.height) == (96, 9)
    assert "too large" in _answer(b"<svg >" + bytes(3 << 20), name="a.svg")["trouble"]


def test_the_name_may_say_another_format() -> None:
    picture = _picture(file_of(photo(), "JPEG"), "a.png")
    assert picture.format == "JPEG"
    assert picture.notes == ("The name ends in .png, but the content is JPEG.",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_what_is_there_of_a_file_that_is_cut_short_is_shown(kind: str) -> None:
    data = file_of(photo(), kind)
    picture = _picture(data[: len(data) // 2], f"a.{kind.lower()}")
    assert (picture.width, picture.height) == (300, 200)
    assert "cut short" in picture.notes[-1]
    assert _pixels(picture).any()
    assert any(len(np.unique(row)) == 1 for row in (_pixels(picture)[0], _pixels(picture)[-1]))
    assert "cannot be read for certain" in _answer(data[: len(data) // 2], "pixel", x=0, y=0)["trouble"]


def test_the_head_of_a_file_is_told() -> None:
    image = photo(60, 40)
    exif = image.getexif()
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    exif[270], exif[37386] = "x" * 900, b"\xff50"
    data = file_of(image, "JPEG", exif=exif, progressive=True, icc_profile=b"profile", dpi=(300, 300))
    details = dict(_picture(data, "a.jpg").details)
    assert details["Colour profile"] == "embedded"
    assert details["Coding"] == "progressive"
    assert details["Resolution"] == "300 dpi"
    assert details["Location"] == "the file holds a GPS position"
    assert len(details["Description"]) == 200


def test_exif_that_cannot_be_read_turns_nothing() -> None:
    data = bytearray(with_exif(photo(), 6))
    data[data.index(b"Exif") + 6 : data.index(b"Exif") + 30] = b"\xff" * 24
    picture = _picture(bytes(data), "a.jpg")
    assert (picture.width, picture.height) == (300, 200)


def test_frames_of_a_large_file_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_COUNTED_UP_TO", 10)
    data = moving("GIF", 3)
    assert _picture(data, "a.gif").frames is None
    assert _picture(data, "a.gif", frame=2).frame == 2
    assert "cannot be read" in _answer(data, frame=7)["trouble"]


def test_a_large_jpeg_is_decoded_small() -> None:
    data = file_of(Image.new("RGB", (30_000, 6_000), "red"), "JPEG")
    picture = _picture(data, "a.jpg")
    assert (picture.width, picture.height) == (30_000, 6_000)
    assert _pixels(picture).shape == (320, 1600, 3)
    assert not picture.exact
    assert "pixels, which take" in _answer(data, "pixel", x=0, y=0)["trouble"]


def test_a_pixel_outside_is_refused() -> None:
    assert "has no pixel at 300, 0" in _answer(file_of(photo(), "PNG"), "pixel", x=300, y=0)["trouble"]


@pytest.mark.parametrize("name", sorted(hostile()))
@pytest.mark.parametrize("task", ["picture", "check", "pixel"])
def test_what_is_hostile_is_a_sentence(name: str, task: str) -> None:
    answer = _answer(hostile()[name], task, name, x=0, y=0)
    if task == "check" and "answer" in answer:
        answer = {"trouble": answer["answer"][1]}
    assert answer["trouble"].endswith(".")
    assert name in answer["trouble"] or "PDF needs a library" in answer["trouble"]
    assert "Traceback" not in answer["trouble"]


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=300),
    at=st.integers(0, 400),
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]),
)
def test_bytes_that_were_changed_never_raise(data: bytes, at: int, kind: str) -> None:
    whole = file_of(photo(40, 30), kind)
    answer = _answer(whole[:at] + data + whole[at + len(data) :], name="a")
    assert "answer" in answer or answer["trouble"].endswith((".", ")."))


def test_a_bomb_costs_no_memory_in_a_process_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"bomb.png": png_bomb(60_000, 60_000), "wide.png": png_bomb(3_000, 3_000)})
    with pytest.raises(InputError, match=r"60,000 x 60,000 pixels, which take 13\.4 GB"):
        look(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="cannot be read for certain"):
        pixel(tmp_path / "wide.png", 0, 20)


def test_files_are_looked_at_in_a_process_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": file_of(photo(), "PNG")})
    picture = look(tmp_path / "a.png")
    assert picture.size == (tmp_path / "a.png").stat().st_size
    assert picture.width == 300
    assert pixel(tmp_path / "a.png", 1, 2) == tuple(_pixels(picture)[2, 1].tolist())
    assert look_at_bytes((tmp_path / "a.png").read_bytes(), title="bytes").title == "bytes"


def test_paths_that_cannot_be_looked_at(tmp_path: Path) -> None:
    write(tmp_path, {"in/a.png": file_of(photo(), "PNG"), "out.png": file_of(photo(), "PNG")})
    assert look("a.png", root=tmp_path / "in").width == 300
    with pytest.raises(OutsideRootError):
        look("../out.png", root=tmp_path / "in")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    with pytest.raises(OutsideRootError):
        look("link.png", root=tmp_path / "in")
    with pytest.raises(PathError, match="is a folder"):
        look(tmp_path)
    with pytest.raises(PathError, match="does not exist"):
        look(tmp_path / "missing.png")


def test_without_pillow_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(optional_module._EXTRAS, "PIL", "images")
    monkeypatch.setattr("importlib.import_module", _missing)
    answer = _answer(file_of(photo(), "PNG"))
    assert answer["kind"] == "library"
    assert 'pip install "colabpanel[images]"' in answer["hint"]


def _missing(name: str) -> Any:
    raise ImportError(name)


PDF = base64.b64decode(
    b"JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAwIFJd"
    b"L0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgMjAwIDEwMF0+PmVuZG9iagp0cmFp"
    b"bGVyPDwvUm9vdCAxIDAgUj4+Cg=="
)


class _Page:
    def get_size(self) -> tuple[float, float]:
        return 200.0, 100.0

    def render(self, *, scale: float) -> Any:
        image = photo(round(200 * scale), round(100 * scale))
        return type("Bitmap", (), {"to_pil": lambda _: image})()


def test_a_page_of_a_pdf_is_drawn_by_the_library_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    pdfium = type("pypdfium2", (), {"PdfDocument": lambda _data: [_Page(), _Page()]})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "pypdfium2" or None)
    monkeypatch.setitem(sys.modules, "pypdfium2", cast("Any", pdfium))
    picture = _picture(PDF, "a.pdf", frame=1)
    assert (picture.format, picture.frame, picture.frames, picture.width) == ("PDF", 1, 2, 600)
    assert "has 2 pages" in _answer(PDF, frame=2)["trouble"]


def test_a_pdf_without_a_library_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingLibraryError) as caught:
        documents.drawn_page(PDF, "a.pdf", 0, 100)
    assert "pip install pypdfium2" in caught.value.hint


def test_a_pdf_by_the_real_library() -> None:
    pytest.importorskip("pypdfium2")
    picture = look_at_bytes(PDF, title="a.pdf")
    assert (picture.format, picture.frames, picture.width, picture.height) == ("PDF", 1, 600, 300)
    with pytest.raises(ColabPanelError, match="damaged or encrypted"):
        look_at_bytes(b"%PDF-1.4\nnonsense", title="b.pdf")
