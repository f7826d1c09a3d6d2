"""Pictures of arrays, tensors, batches, lists, figures and models."""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
import types
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from colabpanel.errors import InputError, JobCancelledError, MissingLibraryError
from colabpanel.services.images import figures
from colabpanel.services.images.anything import picture_of
from colabpanel.services.images.arrays import picture_of_array
from colabpanel.services.images.layouts import guess_layout
from colabpanel.services.images.models import Picture
from colabpanel.services.images.normalising import levels_of
from colabpanel.services.images.scaling import as_levels, finite_range
from colabpanel.services.images.variables import graph_of_variable, look_at_variable, picture_variables
from tests.fakes import FakeHost, RecordingProgress
from tests.image_files import file_of, photo

DTYPES = ["?", "u1", "i1", "u2", "i2", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16", "g"]


def _pixels(picture: Picture) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(picture.data)))


@settings(max_examples=300, deadline=None)
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6))
    ),
    undo=st.sampled_from(["auto", "bytes", "unit", "signed", "imagenet", "minmax"]),
)
def test_any_array_is_a_picture_or_a_sentence(array: np.ndarray[Any, Any], undo: str) -> None:
    is_shown = array.ndim in {2, 3} and array.size and undo != "imagenet"
    try:
        picture = picture_of_array(array, undo=undo)
    except InputError as error:
        told = error
    else:
        shown = _pixels(picture)
        assert shown.dtype == np.uint8
        assert all(sum(counts) == shown.shape[0] * shown.shape[1] for _, counts in picture.histogram)
        return
    assert told.message.endswith(".")
    assert not is_shown


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, (6,), elements=st.floats(width=64)))
def test_scaling_keeps_order_and_ends(values: np.ndarray[Any, Any]) -> None:
    reach = finite_range(values)
    if reach is None:
        assert not np.isfinite(values).any()
        return
    low, high = reach
    levels = as_levels(values, low, high)
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(levels[finite][order].astype(int)) >= 0).all()
    if high / 2 - low / 2 > 0:
        assert (levels[values == low] == 0).all()
        assert (levels[values == high] == 255).all()
    else:
        assert (levels[values == low] == 127).all()
    assert (levels[np.isnan(values)] == 0).all()
    assert (levels[np.isposinf(values)] == 255).all()
    assert (levels[np.isneginf(values)] == 0).all()


@pytest.mark.parametrize(
    ("shape", "first", "layout"),
    [
        ((5, 6), False, "HW"),
        ((5, 6, 3), False, "HWC"),
        ((3, 5, 6), False, "CHW"),
        ((3, 5, 3), False, "HWC"),
        ((3, 5, 3), True, "CHW"),
        ((10, 28, 28), False, "NHW"),
        ((8, 3, 32, 32), False, "NCHW"),
        ((8, 32, 32, 1), True, "NHWC"),
        ((8, 3, 32, 3), True, "NCHW"),
        ((8, 32, 32, 7), False, None),
        ((7,), False, None),
        ((1, 2, 3, 4, 5), False, None),
    ],
)
def test_what_axes_mean(shape: tuple[int, ...], first: bool, layout: str | None) -> None:
    assert guess_layout(shape, channels_first=first) == layout


def test_bytes_are_shown_as_they_are() -> None:
    image = np.asarray(photo(60, 40))
    picture = picture_of_array(image, title="photo")
    assert picture.exact
    assert picture.low is None
    assert np.array_equal(_pixels(picture), image)
    assert np.array_equal(_pixels(picture_of_array(image.transpose(2, 0, 1))), image)


@pytest.mark.parametrize("way", ["unit", "signed", "imagenet", "minmax"])
def test_normalisation_is_undone(way: str) -> None:
    image = np.asarray(photo(60, 40)).copy()
    image[0, 0], image[0, 1] = 0, 255
    shares = image / 255.0
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    made = {
        "unit": shares,
        "signed": shares * 2 - 1,
        "imagenet": (shares - mean) / std,
        "minmax": shares * 5000 - 700,
    }[way]
    picture = picture_of_array(made.astype(np.float32))
    assert np.abs(_pixels(picture).astype(int) - image).max() <= 1
    assert picture.details[2][1] in {"0 to 1", "-1 to 1", "normalised as for ImageNet", "lowest to highest"}


@pytest.mark.parametrize(
    ("values", "way"),
    [
        (np.array([[True, False]]), "unit"),
        (np.array([[0, 1]], np.uint8), "minmax"),
        (np.array([[0, 9]]), "minmax"),
        (np.array([[0, 200]]), "bytes"),
        (np.array([[0, 0]]), "bytes"),
        (np.array([[-5, 200]]), "minmax"),
        (np.array([[0.0, 200.0]]), "bytes"),
        (np.array([[0.0, 2.0]]), "minmax"),
        (np.array([[np.nan, np.nan]]), "unit"),
    ],
)
def test_what_values_are_taken_for(values: np.ndarray[Any, Any], way: str) -> None:
    assert levels_of(values[..., None], "auto").undone == way


def test_batches_stand_side_by_side_or_alone() -> None:
    batch = np.stack([np.full((8, 8, 3), number, np.uint8) for number in range(100)])
    sheet = picture_of_array(batch)
    assert sheet.notes == ("The first 64 of 100 images, by rows.",)
    assert _pixels(sheet).shape == (78, 78, 3)
    assert _pixels(sheet)[11, 1].tolist() == [8, 8, 8]
    one = picture_of_array(batch, index=-1)
    assert one.notes == ("Image 99 of 100 images, counted from 0.",)
    assert _pixels(one)[0, 0].tolist() == [99] * 3
    with pytest.raises(InputError, match="no image 100"):
        picture_of_array(batch, index=100)


class _Lazy:
    """An array that is read where it is sliced, as those of HDF5 are."""

    shape, dtype = (50_000, 40_000), np.dtype("u1")

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __getitem__(self, part: Any) -> np.ndarray[Any, Any]:
        self.asked.append(part)
        return np.ones([len(range(*axis.indices(length))) for axis, length in zip(part, self.shape, strict=True)], "u1")


def test_no_more_of_a_large_array_is_read_than_is_shown() -> None:
    lazy = _Lazy()
    picture = picture_of_array(lazy)
    assert (picture.width, picture.height) == (40_000, 50_000)
    assert max(_pixels(picture).shape) <= 1600
    assert [part.step for part in lazy.asked[0]] == [32, 32]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "WHC"}, "layout cannot be"),
        ({"layout": "HW"}, "has 2 axes"),
        ({"layout": "CHW"}, "makes 40 channels"),
        ({"undo": "magic"}, "undo cannot be"),
        ({"box_format": "yx"}, "box_format cannot be"),
        ({"mask": np.zeros((3, 3))}, "The mask has shape"),
        ({"mask": np.array([["a"]])}, "which are no pixels"),
        ({"boxes": np.zeros((2, 3))}, "Boxes have the shape"),
        ({"boxes": np.zeros(4)}, "Boxes have the shape"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        picture_of_array(np.zeros((40, 30, 3), np.uint8), **options)
    with pytest.raises(InputError, match="three channels"):
        picture_of_array(np.zeros((40, 30)), undo="imagenet")


def test_masks_and_boxes_lie_over_the_image() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:20] = True
    shown = _pixels(picture_of_array(image, mask=mask, boxes=np.array([[30, 5, 50, 25]])))
    assert shown[15, 15].tolist() == [104, 27, 22]
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[5, 30].any()
    assert shown[25, 50].any()
    assert not shown[15, 40].any()
    layers = np.stack([mask, np.roll(mask, 20, axis=1)]).astype(np.float32)
    two = _pixels(picture_of_array(image, mask=layers))
    assert two[15, 15].tolist() != two[15, 35].tolist() != [0, 0, 0]
    labels = _pixels(picture_of_array(image, mask=mask[..., None].astype(int)))
    assert labels[15, 15].any()


@pytest.mark.parametrize(
    ("boxes", "box_format"),
    [
        ([[30, 10, 50, 20]], "xyxy"),
        ([[30, 10, 20, 10]], "xywh"),
        ([[40, 15, 20, 10]], "cxcywh"),
        ([[0.5, 0.25, 50 / 60, 0.5]], "xyxy"),
    ],
)
def test_boxes_are_written_in_several_ways(boxes: list[list[float]], box_format: str) -> None:
    image = np.zeros((40, 60), np.uint8)
    shown = _pixels(picture_of_array(image, boxes=np.array(boxes), box_format=box_format))
    lit = np.argwhere(shown.any(axis=-1))
    assert lit.min(axis=0).tolist() == [10, 30]
    assert lit.max(axis=0).tolist() == [20, 50]


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(5)), elements=st.floats()))
def test_any_boxes_can_be_drawn(boxes: np.ndarray[Any, Any]) -> None:
    assert _pixels(picture_of_array(np.zeros((10, 10), np.uint8), boxes=boxes)).shape == (10, 10, 3)


def test_a_batch_has_masks_and_boxes_for_each() -> None:
    batch = np.zeros((3, 20, 20, 3), np.uint8)
    masks = np.zeros((3, 20, 20), bool)
    masks[1] = True
    shown = _pixels(picture_of_array(batch, mask=masks, boxes=[np.zeros((0, 4))] * 3))
    assert not shown[5, 5].any()
    assert shown[5, 27].any()
    with pytest.raises(InputError, match="nothing for image 2"):
        picture_of_array(batch, mask=masks[:2])


def test_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch")
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8) / 384
    for tensor in (images, images.to(torch.bfloat16), images.clone().requires_grad_(), images.half()):
        picture = picture_of(tensor, title="images")
        assert dict(picture.details)["Axes"] == "NCHW"
        assert picture.format == "torch Tensor"
        assert picture.mode.startswith("torch.")
    with pytest.raises(InputError, match="before it computes"):
        picture_of(torch.nn.Linear(2, 3))
    assert _pixels(picture_of(torch.complex(images[0], images[0]))).shape == (8, 8, 3)


def test_lists_of_images_and_arrays() -> None:
    picture = picture_of([photo(50, 40), np.zeros((20, 30)), np.ones((2000, 900, 3), np.uint8)])
    assert picture.notes == ("3 images, by rows, each scaled by itself.",)
    assert max(_pixels(picture).shape) < 2000
    for bad in ([photo(), "x"], [np.zeros((2, 3, 4, 5))], [np.zeros((0, 3))]):
        with pytest.raises(InputError):
            picture_of(bad)


def test_anything_else_is_told() -> None:
    for value in (3, [], {"a": 1}, object(), None):
        with pytest.raises(InputError, match="cannot be shown as a picture"):
            picture_of(value)


def test_images_of_pillow(tmp_path: Path) -> None:
    assert np.array_equal(_pixels(picture_of(photo())), np.asarray(photo()))
    (tmp_path / "cut.png").write_bytes(file_of(photo(), "PNG")[:100])
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(InputError, match="cannot be decoded"):
        picture_of(cut)
    (tmp_path / "a.png").write_bytes(file_of(photo(), "PNG"))
    assert picture_of(tmp_path / "a.png").width == picture_of((tmp_path / "a.png").read_bytes()).width == 300


def _figure() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pyparsing, in Colab's version
        from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3), dpi=100)
    figure.add_subplot().plot([1, 2, 3])
    return figure


def test_figures_are_drawn() -> None:
    figure = _figure()
    picture = picture_of(figure, title="curve")
    assert (picture.width, picture.height, picture.format) == (400, 300, "matplotlib figure")
    assert picture_of(figure.axes[0]).width == 400
    figure.set_size_inches(200, 1)
    assert picture_of(figure).width == pytest.approx(4000, abs=1)
    figure.savefig = None
    with pytest.raises(InputError, match="cannot be drawn"):
        picture_of(figure)


def _fake(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda wanted: wanted)
    monkeypatch.setitem(sys.modules, name, cast("Any", types.SimpleNamespace(**content)))


class _Tensor:
    grad_fn = "<AddBackward0>"


_KerasModel = type("Model", (), {"__module__": "keras.src.models.model"})


def test_graphs_of_models_and_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>'
    dots = types.SimpleNamespace(pipe=lambda **_: svg)
    _fake(monkeypatch, "torchviz", make_dot=lambda _tensor: dots)
    picture = picture_of(_Tensor(), title="loss")
    assert (picture.data, picture.format) == (svg, "graph of a PyTorch tensor")

    def plot_model(model: Any, *, to_file: str, show_shapes: bool, dpi: int) -> None:
        photo(50, 90).save(to_file)

    _fake(monkeypatch, "keras", utils=types.SimpleNamespace(plot_model=plot_model))
    assert picture_of(_KerasModel(), title="net").height == 90
    _fake(monkeypatch, "keras", utils=types.SimpleNamespace(plot_model=None))
    with pytest.raises(InputError, match="Keras cannot draw net"):
        picture_of(_KerasModel(), title="net")
    _fake(monkeypatch, "torchviz", make_dot=None)
    with pytest.raises(InputError, match="torchviz cannot draw"):
        picture_of(_Tensor())
    with pytest.raises(InputError, match="has no graph"):
        figures.picture_of_graph(3)


@pytest.mark.filterwarnings("ignore")  # torchviz and Keras are behind their own libraries
def test_graphs_by_the_real_libraries() -> None:
    torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
    if not shutil.which("dot") or not all(map(importlib.util.find_spec, ("pydot", "torchviz"))):
        pytest.skip("Graphviz, pydot and torchviz are not installed")
    loss = torch.nn.Linear(4, 2)(torch.rand(3, 4)).mean()
    drawn = picture_of(loss, title="loss")
    assert (drawn.title, drawn.kind) == ("loss", "image/svg+xml")
    assert drawn.width
    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
    assert picture_of(model, title="net").format == "graph of a Keras model"


def test_graphs_need_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(MissingLibraryError, match="Graphviz"):
        picture_of(_Tensor())
    monkeypatch.setattr("shutil.which", lambda _name: "dot")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for value, library in ((_Tensor(), "torchviz"), (_KerasModel(), "pydot")):
        with pytest.raises(MissingLibraryError) as caught:
            picture_of(value)
        assert caught.value.hint == f"Run: pip install {library}"


class _Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_the_variables_that_are_pictures(host: FakeHost) -> None:
    host.variables = {
        "batch": np.zeros((4, 3, 8, 8)),
        "vector": np.zeros(5),
        "photo": photo(),
        "images": [photo(), photo()],
        "figure": _figure(),
        "net": _KerasModel(),
        "odd": _Hostile(),
        "number": 3,
        "kind": np.ndarray,
        "_hidden": np.zeros((2, 2)),
    }
    found = {one.name: (one.kind, one.words) for one in picture_variables(host)}
    assert found == {
        "batch": ("array", "ndarray 4 x 3 x 8 x 8"),
        "photo": ("image", "image 300 x 200"),
        "images": ("list", "list of 2"),
        "figure": ("figure", "Figure"),
        "net": ("model", "Model"),
    }
    progress = RecordingProgress()
    assert look_at_variable(progress, host, "figure").width == 400
    assert look_at_variable(progress, host, "photo", undo="auto").width == 300
    assert look_at_variable(progress, host, "batch", index=2, layout="NCHW").notes[0].startswith("Image 2")
    with pytest.raises(InputError, match="no variable called gone"):
        look_at_variable(progress, host, "gone")
    with pytest.raises(InputError, match="laid over arrays"):
        look_at_variable(progress, host, "photo", mask="batch")
    with pytest.raises((MissingLibraryError, InputError)):
        graph_of_variable(progress, host, "net")
    with pytest.raises(JobCancelledError):
        look_at_variable(RecordingProgress(cancel_after=0), host, "figure")


def test_the_dashboard_has_no_variables(host: FakeHost) -> None:
    host.variables = {"secret": np.zeros((4, 4))}
    host.is_served = True
    assert picture_variables(host) == []
    for call in (look_at_variable, graph_of_variable):
        with pytest.raises(InputError, match="no notebook"):
            call(RecordingProgress(), host, "secret")


def test_shares_that_rounding_carries_beyond_the_edge_are_shares() -> None:
    image = np.zeros((100, 427, 3), np.uint8)
    drawn = _pixels(picture_of_array(image, boxes=np.array([[0.508197, 0.5, 0.983607, 0.5]]), box_format="cxcywh"))
    assert np.argwhere(drawn.any(axis=2)).max(axis=0).tolist()[1] > 400


def test_tensors_without_plain_memory() -> None:
    torch = pytest.importorskip("torch")
    assert _pixels(picture_of_array(torch.eye(8).to_sparse())).shape[:2] == (8, 8)
    warnings.simplefilter("ignore", UserWarning)  # they are on their way out
    quantized = torch.quantize_per_tensor(torch.rand(4, 4), 0.1, 0, torch.quint8)
    assert _pixels(picture_of_array(quantized)).shape[:2] == (4, 4)
    with pytest.raises(InputError, match="holds no pixels that can be read"):
        picture_of_array(torch.empty(3, 5, 5, device="meta"))
    with pytest.raises(InputError):
        picture_of_array(np.zeros((4, 4), dtype=[("a", "i4"), ("b", "f4")]))
    with pytest.raises(InputError, match="has no image a"):
        picture_of_array(np.zeros((2, 9, 9, 3), np.uint8), index="a")  # type: ignore[arg-type]
