"""Frames, tensors, images and the like come back as they were, on whatever versions are installed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colabpanel.errors import TrustError
from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs import reducer_for
from colabpanel.services.snapshots.service import dump, load

from .test_round_trips import _unsigned, trip

__all__ = ["_unsigned"]

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
sparse = pytest.importorskip("scipy.sparse")
Image = pytest.importorskip("PIL.Image")
ROWS = 1200


def _columns() -> dict[str, Any]:
    half = ROWS // 2
    return {
        "int": np.arange(ROWS),
        "bool": np.arange(ROWS) % 2 == 0,
        "float32": np.linspace(0, 1, ROWS, dtype=np.float32),
        "text": [f"row {number}" for number in range(ROWS)],
        "object text": pd.Series([f"row {number % 5}" for number in range(ROWS)], dtype=object),
        "object": [{"n": number} for number in range(ROWS)],
        "missing": pd.Series(["a", None] * half, dtype=object),
        "category": pd.Categorical(["a", "b"] * half, categories=["b", "a", "c"], ordered=True),
        "time": pd.date_range("2020", periods=ROWS, freq="h"),
        "zoned": pd.date_range("2020", periods=ROWS, freq="h", tz="Europe/Berlin"),
        "offset": pd.date_range("2020", periods=ROWS, freq="h", tz="+02:00"),
        "delta": pd.to_timedelta(np.arange(ROWS), unit="s"),
        "period": pd.period_range("2020", periods=ROWS, freq="D"),
        "interval": pd.interval_range(0, ROWS, closed="left"),
        "Int64": pd.array([1, None] * half, dtype="Int64"),
        "Float64": pd.array([1.5, None] * half, dtype="Float64"),
        "boolean": pd.array([True, None] * half, dtype="boolean"),
        "string": pd.array(["a", None] * half, dtype="string"),
        "arrow": pd.array([1, None] * half, dtype=pd.ArrowDtype(pa.int32())),
        "arrow list": pd.array([[1], None] * half, dtype=pd.ArrowDtype(pa.list_(pa.int32()))),
        "sparse": pd.arrays.SparseArray([0, 1] * half),
    }


@pytest.mark.parametrize("name", list(_columns()))
def test_columns_of_every_kind(name: str) -> None:
    series = pd.Series(_columns()[name], name=("a", 1))
    pd.testing.assert_series_equal(trip(series), series)
    frame = series.to_frame("x")
    pd.testing.assert_frame_equal(trip(frame), frame)


def test_a_frame_of_all_kinds_keeps_its_marks() -> None:
    frame = pd.DataFrame(_columns())
    frame.attrs["source"] = "survey"
    found = trip(frame)
    pd.testing.assert_frame_equal(found, frame)
    assert found.attrs == {"source": "survey"}
    strict = frame[["int"]].set_flags(allows_duplicate_labels=False)
    assert not trip(strict).flags.allows_duplicate_labels
    found["int"] = 3
    found.loc[0, "float32"] = 9
    assert found["float32"][0] == 9


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame({"a": []}),
        pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
        pd.DataFrame(np.arange(12.0).reshape(3, 4)),
        pd.DataFrame({("a", 1): [1], ("a", 2): [2.5]}),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])),
        pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="D", name="day")),
        pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["a", "b"])),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 8, 2, name="r")),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index([("t", 1), ("t", 2)], tupleize_cols=False)),
        pd.DataFrame({number: [number] for number in range(300)}),
    ],
    ids=range(12),
)
def test_odd_frames(frame: Any) -> None:
    found = trip(frame)
    pd.testing.assert_frame_equal(found, frame, check_freq=True)
    assert type(found.index) is type(frame.index)


def test_scalars_of_pandas() -> None:
    assert trip(pd.Timestamp("2020", tz="UTC")) == pd.Timestamp("2020", tz="UTC")
    assert trip([pd.Timedelta(5, "s"), pd.Interval(1, 2)]) == [pd.Timedelta(5, "s"), pd.Interval(1, 2)]
    assert trip([pd.NaT, pd.NA]) == [pd.NaT, pd.NA] or trip(pd.NaT) is pd.NaT


def test_arrow() -> None:
    table = pa.table(
        {"a": [1, None], "s": ["x", "y"], "l": [[1], [2, 3]], "d": pa.array(["p", "q"]).dictionary_encode()}
    )
    for value in (
        table,
        table["s"],
        table.to_batches()[0],
        pa.array([1, None, 3])[1:],
        pa.array(["a", None, "ccc"]),
        pa.array([True, None]),
        pa.array([{"a": 1}]),
        pa.chunked_array([[1], [2, 3]]),
        pa.array([], pa.string()),
    ):
        found = trip(value)
        assert type(found) is type(value)
        assert found.equals(value)


def test_polars() -> None:
    frame = pl.DataFrame(
        {"a": [1, 2], "b": ["x", None], "l": [[1], [2, 3]], "c": pl.Series(["p", "q"], dtype=pl.Categorical)}
    )
    assert trip(frame).equals(frame)
    assert trip(frame).schema == frame.schema
    assert trip(pl.DataFrame()).equals(pl.DataFrame())
    series = pl.Series("s", [1.5, None])
    assert (trip(series).to_list(), trip(series).name) == ([1.5, None], "s")
    large = pl.DataFrame({"n": np.arange(4_000_000)})
    assert trip(large).equals(large)


def test_tensors_share_what_they_shared(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0).reshape(3, 4)
    model = torch.nn.Linear(3, 2)
    value = {
        "base": base,
        "turned": base.t(),
        "part": base[1:, ::2],
        "half": base.bfloat16(),
        "bool": base > 3,
        "complex": torch.tensor([1 + 2j]),
        "none": torch.empty(0, 3),
        "scalar": torch.tensor(5),
        "grad": torch.ones(2, requires_grad=True),
        "state": model.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "more": [torch.float16, torch.Size([1, 2]), torch.device("cpu")],
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    found = trip(value)
    for name in ("base", "turned", "part", "half", "bool", "complex", "none", "scalar", "grad", "conjugate"):
        assert torch.equal(found[name], value[name]), name
        assert found[name].dtype == value[name].dtype
        assert found[name].requires_grad == value[name].requires_grad
    assert found["turned"].stride() == base.t().stride()
    found["base"][1, 0] = 99
    assert found["turned"][0, 1] == found["part"][0, 0] == 99
    assert all(torch.equal(found["state"][key], weight) for key, weight in model.state_dict().items())
    assert type(found["parameter"]) is torch.nn.Parameter
    assert found["more"] == value["more"]
    wide = torch.zeros(1000, 1000)
    small = dump(tmp_path / "a.snapshot.zip", {"row": wide[0]})
    assert small.size < 20_000


def test_a_tensor_on_a_device_is_moved_and_that_is_told(tmp_path: Path) -> None:
    """A stand-in for a tensor on a GPU; tests/gpu looks at real ones."""
    torch = pytest.importorskip("torch")

    class OnDevice:
        layout, is_quantized, requires_grad, device = torch.strided, False, False, torch.device("cuda", 0)

        def detach(self) -> Any:
            return self

        def cpu(self) -> Any:
            return torch.arange(3)

    capture = Capture()
    used = capture.begin()
    reducer = reducer_for(torch.Tensor)
    assert reducer is not None
    assert reducer(OnDevice(), capture)[1][0] == "torch.tensor"
    assert used.notes == ["It was moved from cuda:0 to the host's memory."]


def test_figures_are_saved_and_need_trust(tmp_path: Path) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure()
    figure.subplots().plot([1, 2, 3])
    snapshot = dump(tmp_path / "a.snapshot.zip", {"figure": figure})
    assert any("matplotlib" in name for name in snapshot.variables[0].needs or ())
    with pytest.raises(TrustError):
        load(tmp_path / "a.snapshot.zip")
    found = load(tmp_path / "a.snapshot.zip", trusted=True)["figure"]
    assert found.axes[0].lines[0].get_ydata().tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_sparse(form: str, kind: str) -> None:
    value = getattr(sparse, f"{form}_{kind}")(np.eye(4) * 2)
    found = trip(value)
    assert type(found) is type(value)
    np.testing.assert_array_equal(found.toarray(), value.toarray())


def _jpeg(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.jpg", quality=80)
    return folder / "a.jpg"


def test_images_keep_their_original_bytes_while_nothing_changed(tmp_path: Path) -> None:
    path = _jpeg(tmp_path)
    untouched, loaded, changed = Image.open(path), Image.open(path), Image.open(path)
    loaded.load()
    changed.putpixel((0, 0), (1, 2, 3))
    value = {"untouched": untouched, "loaded": loaded, "changed": changed}
    dump(tmp_path / "a.snapshot.zip", value)
    found = load(tmp_path / "a.snapshot.zip")
    for name, image in value.items():
        assert found[name].tobytes() == image.tobytes(), name
    assert found["untouched"].format == found["loaded"].format == "JPEG"
    assert found["changed"].getpixel((0, 0)) == (1, 2, 3)
    assert dump(tmp_path / "b.snapshot.zip", {"loaded": loaded}).size < path.stat().st_size + 3000
    path.write_bytes(b"gone")
    assert dump(tmp_path / "b.snapshot.zip", {"loaded": loaded}).size > 3600


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I", "F", "I;16", "LA"])
def test_images_of_every_mode(mode: str) -> None:
    grey = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10))
    image = grey.convert(mode) if mode != "I;16" else Image.fromarray(np.arange(60, dtype=np.uint16).reshape(6, 10))
    image.info["dpi"] = (72, 72)
    found = trip(image)
    assert (found.mode, found.size, found.tobytes()) == (image.mode, image.size, image.tobytes())
    assert found.info["dpi"] == (72, 72)
    assert found.getpalette() == image.getpalette()


def test_an_image_from_bytes(tmp_path: Path) -> None:
    image = Image.open(io.BytesIO(_jpeg(tmp_path).read_bytes()))
    assert trip(image).format == "JPEG"
    assert trip(image).tobytes() == image.tobytes()


def test_columns_of_polars_that_arrow_has_not(tmp_path: Path) -> None:
    frames = {"unnamed": pl.DataFrame({"a": [1], "": [2]})}
    if hasattr(pl, "Int128"):
        frames["wide"] = pl.DataFrame({"n": [1, 1 << 100]}, schema={"n": pl.Int128})
    dump(tmp_path / "a.snapshot.zip", frames)
    found = load(tmp_path / "a.snapshot.zip", trusted=True)
    for name, frame in frames.items():
        assert found[name].equals(frame)
        assert found[name].columns == frame.columns
