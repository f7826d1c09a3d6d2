"""A zip archive that contains itself, after the construction that Russ Cox described in 2010."""

from __future__ import annotations

import struct
import zlib

__all__ = ["quine_zip"]

_NAME = b"q.zip"
_UNIT = 5
_DATE = 0x21


class _Bits:
    """Bits in the order of deflate."""

    def __init__(self) -> None:
        self.text = ""

    def plain(self, value: int, width: int) -> None:
        self.text += "".join(str(value >> bit & 1) for bit in range(width))

    def code(self, value: int, width: int) -> None:
        self.text += f"{value:0{width}b}"

    def to_bytes(self) -> bytes:
        padded = self.text + "0" * (-len(self.text) % 8)
        return bytes(int(padded[at : at + 8][::-1], 2) for at in range(0, len(padded), 8))


def _literal(size: int) -> bytes:
    """Return the head of a stored block: the bytes after it are printed as they are."""
    return struct.pack("<BHH", 0, size, size ^ 0xFFFF)


def _repeat(size: int, *, pieces: int = 1, padded: bool = False, last: bool = False) -> bytes:
    """Return a block that prints the last ``size`` bytes once more, copied in so many pieces."""
    bits = _Bits()
    bits.plain(int(last) | 1 << 1, 3)
    for _ in range(pieces):
        value = size // pieces - 3
        width = max(value.bit_length() - 3, 0)  # of the extra bits of the length, which has four codes to each width
        bits.code(4 * width + 1 + (value >> width), 7)
        bits.plain(value & (1 << width) - 1, width)
        width = (size - 1).bit_length() - 2  # the distance has two codes to each
        bits.code(2 * width + (size - 1 >> width), 5)
        bits.plain(size - 1 & (1 << width) - 1, width)
    bits.code(0, 7)
    if padded:  # by an empty block
        bits.plain(1 << 1, 3)
        bits.code(0, 7)
    return bits.to_bytes()


def _stream(head: bytes, tail: bytes) -> bytes:
    """Return a deflate stream that prints the head, itself and the tail."""
    say_head, again = _literal(len(head) + _UNIT), _repeat(len(head) + _UNIT, padded=True)
    one, four, repeat = _literal(_UNIT), _literal(4 * _UNIT), _repeat(4 * _UNIT, pieces=2)
    assert len(again) == len(repeat) == _UNIT
    nothing, end = _literal(0), _repeat_tail(len(tail))
    say_tail = _literal(len(end) + len(tail))
    pieces = [say_head, head, say_head, again, one, again, one, one]
    pieces += [four, again, one, one, four, repeat]
    pieces += [four, repeat, four, repeat, four, repeat]
    pieces += [four, repeat, nothing, nothing, say_tail, repeat, nothing, nothing, say_tail]
    return b"".join([*pieces, end, tail, end])


def _repeat_tail(tail: int) -> bytes:
    """Return the block that prints itself and the tail, and ends the stream."""
    for width in (4, 5):
        block = _repeat(width + tail, last=True)
        if len(block) == width:
            return block
    raise AssertionError


def _archive(crc: int, time: int) -> bytes:
    sizes = (0, 0)
    for _ in range(3):
        fields = struct.pack("<5H3I2H", 20, 0, 8, time, _DATE, crc, *sizes, len(_NAME), 0)
        head = b"PK\x03\x04" + fields + _NAME
        central = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<3H2I", 0, 0, 0, 0, 0) + _NAME
        start = len(head) + sizes[0]
        tail = central + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central), start, 0)
        stream = _stream(head, tail)
        sizes = len(stream), len(head) + len(stream) + len(tail)
    return head + stream + tail


def _solve(rows: list[int], wanted: int) -> int | None:
    """Return x with M x = wanted over GF(2), where rows are the columns of M."""
    known: dict[int, tuple[int, int]] = {}
    for index, row in enumerate(rows):
        value, used = row, 1 << index
        while value and value.bit_length() in known:
            other, mark = known[value.bit_length()]
            value, used = value ^ other, used ^ mark
        if value:
            known[value.bit_length()] = value, used
    found = 0
    while wanted:
        if wanted.bit_length() not in known:
            return None
        other, mark = known[wanted.bit_length()]
        wanted, found = wanted ^ other, found ^ mark
    return found


def quine_zip() -> bytes:
    """Return the archive; its checksum, which it holds four times, is found by linear algebra."""
    for time in range(100):
        base = zlib.crc32(_archive(0, time))
        rows = [zlib.crc32(_archive(1 << bit, time)) ^ base ^ 1 << bit for bit in range(32)]
        crc = _solve(rows, base)
        if crc is not None:
            return _archive(crc, time)
    raise AssertionError
