"""Looking through a pickle without running any of it: what it would call, and whether it is a trap."""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING

from colabpanel.errors import ArchiveError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["names_wanted"]

_LENGTHS = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4}
_LENGTHS |= {pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8}
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_LINES = {"GLOBAL": 2, "INST": 2}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_UNKNOWN = "a name that it makes up itself"

_Table = list["tuple[str, int, int] | None"]


def _table() -> _Table:
    """Return for each opcode its name, the bytes of its argument, and those of the length in front of it."""
    table: _Table = [None] * 256
    for code in pickletools.opcodes:
        size = code.arg.n if code.arg else 0
        length = _LENGTHS.get(size, 0)
        table[ord(code.code)] = (code.name, size if size >= 0 else -1, length)
    return table


_TABLE = _table()


def names_wanted(data: Buffer) -> set[tuple[str, str]]:
    """Return the ``(module, name)`` pairs that a pickle asks for.

    Raises:
        ArchiveError: It is cut short, is no pickle, or would fill the memory with nothing.
    """
    try:
        return _Scan(bytes(data) if not isinstance(data, bytes) else data).run()
    except (IndexError, ValueError, UnicodeDecodeError):
        raise ArchiveError("A pickle in this file is damaged or cut short.", hint="Use another copy of it.") from None


class _Scan:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._wanted: set[tuple[str, str]] = set()
        self._memo: dict[int, str | None] = {}
        self._recent: list[str | None] = [None, None]
        self._last: str | None = None

    def run(self) -> set[tuple[str, str]]:
        data, table, steps = self._data, _TABLE, 0
        while True:
            entry = table[data[self._at]]
            if entry is None:
                raise ValueError("no such opcode")
            name, size, length = entry
            self._at += 1
            steps += 1
            argument = self._argument(name, size, length)
            if name == "STOP":
                return self._wanted
            self._note(name, argument, steps)

    def _argument(self, name: str, size: int, length: int) -> bytes:
        data, at = self._data, self._at
        if length:
            size = int.from_bytes(data[at : at + length], "little")
            at += length
        elif size < 0:
            end = at
            for _line in range(_LINES.get(name, 1)):
                end = data.index(b"\n", end) + 1
            self._at = end
            return data[at:end]
        if at + size > len(data):
            raise ValueError("cut short")
        self._at = at + size
        return data[at : at + size] if size <= 1 << 12 else b""

    def _note(self, name: str, argument: bytes, steps: int) -> None:
        if name in _TEXT:
            self._push(argument.decode("utf-8", "surrogatepass"))
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._last
        elif name in _PUTS:
            place = self._number(name, argument)
            if place > steps:
                raise ArchiveError("A pickle in this file would fill the memory.", hint="Do not use this file.")
            self._memo[place] = self._last
        elif name in _GETS:
            self._push(self._memo.get(self._number(name, argument)))
        elif name in _LINES:
            module, found = argument.decode("utf-8").split("\n")[:2]
            self._wanted.add((module, found))
            self._last = None
        elif name == "STACK_GLOBAL":
            module_name, found_name = self._recent
            self._wanted.add((module_name or "?", found_name or _UNKNOWN))
            self._last = None
        elif name.startswith("EXT"):
            self._wanted.add(("copyreg", "an extension"))
        elif name not in {"PROTO", "FRAME"}:
            self._last = None

    def _push(self, text: str | None) -> None:
        self._recent = [self._recent[1], text]
        self._last = text

    @staticmethod
    def _number(name: str, argument: bytes) -> int:
        return int(argument) if name in {"PUT", "GET"} else int.from_bytes(argument, "little")
