"""Arrays and tables of Arrow: their buffers from where they are; nested types as Arrow's own stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from colabpanel.services.snapshots.capture import Capture, Leaf
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CODEC"]


def _take_array(array: Any, capture: Capture) -> Any:
    kind = array.type
    if array.offset or not _is_flat(kind):
        return _take_table(pa.table({"": array}), capture, "array")
    leaves = [None if buffer is None else _leaf(buffer, capture) for buffer in array.buffers()]
    return built("pyarrow.buffers", _type_bytes(kind), len(array), array.null_count, leaves)


def _is_flat(kind: Any) -> bool:
    types = pa.types
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind)
    return bool(is_text or types.is_large_binary(kind) or (types.is_primitive(kind) and not types.is_dictionary(kind)))


def _leaf(buffer: Any, capture: Capture) -> int:
    view = memoryview(buffer)
    return capture.leaf(buffer, lambda: Leaf(".bin", lambda: [view], len(view)))


def _type_bytes(kind: Any) -> bytes:
    found: bytes = pa.schema([("", kind)]).serialize().to_pybytes()
    return found


def _build_buffers(reader: LeafReader, kind: bytes, length: int, nulls: int, leaves: list[int | None]) -> Any:
    buffers = [None if leaf is None else pa.py_buffer(reader.bytes_of(leaf)) for leaf in leaves]
    found = pa.Array.from_buffers(pa.ipc.read_schema(pa.py_buffer(kind)).field(0).type, length, buffers, nulls)
    found.validate(full=True)
    return found


def _take_chunked(array: Any, capture: Capture) -> Any:
    if array.num_chunks == 1 or _is_flat(array.type):
        return built("pyarrow.chunks", list(array.chunks), _type_bytes(array.type))
    return _take_table(pa.table({"": array}), capture, "chunked")


def _build_chunks(_reader: LeafReader, chunks: list[Any], kind: bytes) -> Any:
    return pa.chunked_array(chunks, pa.ipc.read_schema(pa.py_buffer(kind)).field(0).type)


def _take_table(table: Any, capture: Capture, what: str) -> Any:
    def parts() -> list[Buffer]:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return [memoryview(sink.getvalue())]

    leaf = capture.leaf(table, lambda: Leaf(".arrow", parts, table.nbytes, exact=False))
    return built("pyarrow.stream", leaf, what)


def _build_stream(reader: LeafReader, leaf: int, what: str) -> Any:
    table = pa.ipc.open_stream(pa.py_buffer(reader.bytes_of(leaf))).read_all()
    table.validate(full=True)
    if what == "table":
        return table
    if what == "batch":
        return table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
    column = table.column(0)
    return column if what == "chunked" else column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _reducer(kind: type) -> Reduce | None:
    if issubclass(kind, pa.Array):
        return _take_array
    if kind is pa.ChunkedArray:
        return _take_chunked
    if kind is pa.Table:
        return lambda table, capture: _take_table(table, capture, "table")
    if kind is pa.RecordBatch:
        return lambda batch, capture: _take_table(pa.Table.from_batches([batch]), capture, "batch")
    return None


CODEC = Codec("pyarrow", _reducer, {"buffers": _build_buffers, "chunks": _build_chunks, "stream": _build_stream})
