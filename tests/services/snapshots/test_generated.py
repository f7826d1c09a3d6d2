"""Generated values of every codec come back as they were; the same ones in each run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .test_round_trips import _unsigned, trip

__all__ = ["_unsigned"]

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
sparse = pytest.importorskip("scipy.sparse")
Image = pytest.importorskip("PIL.Image")

FEW = settings(max_examples=40, deadline=None, derandomize=True)
ROWS = 7
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=True),
    "bool": st.booleans(),
    "datetime64[ns]": st.datetimes().filter(lambda moment: 1700 < moment.year < 2200),
    "Int64": st.none() | st.integers(-100, 100),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | TEXTS,
    "category": TEXTS,
    "object": st.none() | TEXTS | st.integers() | st.lists(st.integers(), max_size=2),
}


@FEW
@given(st.data(), st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=5))
def test_frames(data: st.DataObject, kinds: list[str]) -> None:
    columns = {}
    for number, kind in enumerate(kinds):
        values = data.draw(st.lists(COLUMNS[kind], min_size=ROWS, max_size=ROWS))
        columns[f"{kind} {number}"] = pd.Series(values, dtype=kind)
    frame = pd.DataFrame(columns).set_index(pd.Index(data.draw(st.lists(TEXTS, min_size=ROWS, max_size=ROWS))))
    pd.testing.assert_frame_equal(trip(frame), frame)
    series = frame.iloc[:, 0]
    pd.testing.assert_series_equal(trip(series), series)


@FEW
@given(
    hnp.arrays(
        st.sampled_from([np.dtype(name) for name in ("f4", "f8", "i8", "u1", "bool", "c8")]),
        hnp.array_shapes(max_dims=3, max_side=4),
    ),
    st.data(),
)
def test_tensors(array: Any, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    base = torch.from_numpy(array.copy())
    turned = base.permute(*data.draw(st.permutations(range(base.dim()))))
    part = turned[data.draw(st.integers(0, len(turned) - 1)) :]
    found = trip([base, turned, part])
    for one, other in zip(found, [base, turned, part], strict=True):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        assert one.numpy().tobytes() == other.numpy().tobytes()


@FEW
@given(
    hnp.arrays("f8", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.sampled_from([0, 0, 1.5, -2]))
)
def test_sparse_matrices(array: Any) -> None:
    for form in ("csr", "csc", "coo", "lil", "dok"):
        value = getattr(sparse, f"{form}_matrix")(array)
        np.testing.assert_array_equal(trip(value).toarray(), array)


@FEW
@given(
    hnp.arrays("u1", st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.sampled_from(["RGB", "L", "1", "P"]),
)
def test_images(array: Any, mode: str) -> None:
    image = Image.fromarray(array).convert(mode)
    found = trip(image)
    assert (found.mode, found.size, found.tobytes()) == (image.mode, image.size, image.tobytes())


ARROW = [
    (pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1)),
    (pa.string(), st.none() | TEXTS),
    (pa.bool_(), st.none() | st.booleans()),
    (pa.list_(pa.int8()), st.none() | st.lists(st.integers(-128, 127), max_size=3)),
    (pa.binary(), st.none() | st.binary(max_size=4)),
]


@FEW
@given(st.data(), st.sampled_from(ARROW), st.integers(0, 3))
def test_arrow_and_polars(data: st.DataObject, kind: tuple[Any, Any], start: int) -> None:
    values = data.draw(st.lists(kind[1], max_size=8))
    array = pa.array(values, kind[0])[start:]
    assert trip(array).equals(array)
    assert trip(pa.table({"a": array})).equals(pa.table({"a": array}))
    series = pl.Series("s", values[start:], dtype=pl.from_arrow(pa.array([], kind[0])).dtype)
    found = trip(series)
    assert (found.dtype, found.to_list()) == (series.dtype, series.to_list())
