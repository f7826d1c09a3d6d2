"""Frames and series of polars, as Arrow's files of a few megabytes each."""

from __future__ import annotations

import io
import re
from typing import Any

import polars as pl

from colabpanel.services.snapshots.capture import Capture, Leaf
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]

_SLICE = 8 << 20  # bytes of a part that is written as one, and copied for it
_PLAIN: dict[str, Any] = {"compat_level": pl.CompatLevel.oldest()} if hasattr(pl, "CompatLevel") else {}
"""Types that every version of Arrow knows."""

_NOT_IN_ARROW = re.compile(r"Int128|Array\(.*(width|shape)=\(?0\b")
"""Types that pyarrow does not read, or polars does not make of what it reads."""

_WHOLE = (pl.Categorical, pl.Enum)
"""Columns whose categories belong to all of their rows."""


def _take_frame(frame: pl.DataFrame, capture: Capture) -> Any:
    if any(dtype == pl.Object or _NOT_IN_ARROW.search(str(dtype)) for dtype in frame.dtypes):
        return NotImplemented
    size = int(frame.estimated_size())
    whole = any(isinstance(dtype, _WHOLE) for dtype in frame.dtypes)
    count = 1 if whole else max(size // _SLICE, 1)
    step = max(-(-len(frame) // count), 1)
    slices = [frame.slice(start, step) for start in range(0, max(len(frame), 1), step)]
    return built("polars.frame", [_leaf(part, size // len(slices), capture) for part in slices])


def _leaf(part: pl.DataFrame, size: int, capture: Capture) -> int:
    def parts() -> list[memoryview]:
        stream = io.BytesIO()
        part.write_ipc(stream, **_PLAIN)
        return [stream.getbuffer()]

    return capture.leaf(part, lambda: Leaf(".arrow", parts, size, exact=False))


def _build_frame(reader: LeafReader, leaves: list[int]) -> Any:
    frames = [_read(reader.bytes_of(leaf)) for leaf in leaves]
    return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)


def _read(data: Any) -> pl.DataFrame:
    """Read one part; through Arrow, where it is installed, for polars does not survive every file made by an enemy."""
    try:
        import pyarrow as pa
    except ImportError:
        return pl.read_ipc(io.BytesIO(data))
    table = pa.ipc.open_file(pa.py_buffer(data)).read_all()
    table.validate(full=True)
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    if found.columns != table.schema.names:  # it gives another name to a column that has an empty one
        found.columns = table.schema.names
    return found


def _take_series(series: pl.Series, _capture: Capture) -> Any:
    if series.dtype == pl.Object or _NOT_IN_ARROW.search(str(series.dtype)):
        return NotImplemented
    return built("polars.series", series.to_frame())


def _build_series(_reader: LeafReader, frame: Any) -> Any:
    return frame.to_series(0)


def _reducer(kind: type) -> Reduce | None:
    if kind is pl.DataFrame:
        return _take_frame
    return _take_series if kind is pl.Series else None


CODEC = Codec("polars", _reducer, {"frame": _build_frame, "series": _build_series})
