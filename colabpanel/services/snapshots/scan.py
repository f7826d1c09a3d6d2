"""Looking through a pickle without running any of it: what it would call, and whether it is a trap."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field

from colabpanel.errors import ArchiveError

__all__ = ["Wanted", "scan"]

_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_LINES = {"GLOBAL": 2, "INST": 2}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_POPS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "REDUCE": 2, "STACK_GLOBAL": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3}
_POPS |= {"BINPERSID": 1}
_TO_MARK = {"TUPLE", "FROZENSET", "LIST", "DICT", "OBJ", "INST"}
_DROPS = {"APPEND": 1, "SETITEM": 2, "BUILD": 1}
_DROPS_TO_MARK = {"APPENDS", "SETITEMS", "ADDITEMS", "POP_MARK"}
_FRESH = {"LIST", "DICT", "STACK_GLOBAL"}
_SILENT = {"PROTO", "FRAME", "READONLY_BUFFER"}
_MAKES_OBJECTS = {"NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"}
_UNKNOWN = "a name that it makes up itself"
_DEEPEST, _HEAVIEST = 500, 100_000_000
"""How deep tuples may be nested, and how many parts they may have in all: hashing one pays for both."""

_TRAP = "A pickle in this file is made to fill the memory or to take for ever."


@dataclass
class Wanted:
    """What a pickle asks for.

    Attributes:
        names: The ``(module, name)`` pairs that it would call.
        builds: Whether it fills in objects after they are made.
        calls: How often it calls something.
        end: Where it ends in the data.
    """

    names: set[tuple[str, str]] = field(default_factory=set)
    builds: bool = False
    calls: int = 0
    end: int = 0


def _table() -> list[tuple[str, int, int] | None]:
    """Return for each opcode its name, the bytes of its argument, and those of the length in front of it."""
    table: list[tuple[str, int, int] | None] = [None] * 256
    for code in pickletools.opcodes:
        size = code.arg.n if code.arg else 0
        table[ord(code.code)] = (code.name, size if size >= 0 else -1, _LENGTHS.get(size, 0))
    return table


_TABLE = _table()


def scan(data: bytes, start: int = 0) -> Wanted:
    """Return what the pickle that begins at a place in the data asks for.

    Raises:
        ArchiveError: It is cut short, is no pickle, or is a trap.
    """
    try:
        return _Scan(data, start).run()
    except (IndexError, ValueError, KeyError, UnicodeDecodeError):
        raise ArchiveError("A pickle in this file is damaged or cut short.", hint="Use another copy of it.") from None


class _Scan:
    """Follows the opcodes with a stack of what each value weighs: how deep its tuples go, and their parts in all."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._at, self._steps = data, start, 0
        self._wanted = Wanted()
        self._stack: list[tuple[int, int]] = []
        self._marks: list[int] = []
        self._memo: dict[int, tuple[tuple[int, int], str | None]] = {}
        self._recent: list[str | None] = [None, None]
        self._last: str | None = None

    def run(self) -> Wanted:
        while True:
            entry = _TABLE[self._data[self._at]]
            if entry is None:
                raise ValueError("no such opcode")
            name, size, length = entry
            self._at += 1
            self._steps += 1
            argument = self._argument(name, size, length)
            if name == "STOP":
                self._wanted.end = self._at
                return self._wanted
            if name not in _SILENT:
                self._follow(name, argument)

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

    def _follow(self, name: str, argument: bytes) -> None:
        if name in _PUTS or name == "MEMOIZE":
            place = len(self._memo) if name == "MEMOIZE" else self._number(name, argument)
            if place > self._steps:
                raise ArchiveError(_TRAP, hint="Do not use this file.")
            self._memo[place] = self._stack[-1], self._last
        elif name in _GETS:
            weight, text = self._memo[self._number(name, argument)]
            self._stack.append(weight)
            self._say(text)
        elif name == "MARK":
            self._marks.append(len(self._stack))
        elif name in _DROPS_TO_MARK:
            del self._stack[self._marks.pop() :]
        elif name in _DROPS:
            del self._stack[-_DROPS[name] :]
            self._wanted.builds |= name == "BUILD"
        elif name == "POP":
            self._marks.pop() if self._marks and self._marks[-1] == len(self._stack) else self._stack.pop()
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        else:
            self._push(name, argument)

    def _push(self, name: str, argument: bytes) -> None:
        """Put the value that an opcode makes on the stack, in place of those that it is made of."""
        self._wanted.calls += name == "REDUCE"
        start = self._marks.pop() if name in _TO_MARK else len(self._stack) - _POPS.get(name, 0)
        parts = self._stack[start:]
        del self._stack[start:]
        depth, weight = 0, 1
        if parts and name not in _FRESH:
            depth, weight = 1 + max(part[0] for part in parts), 1 + sum(part[1] for part in parts)
        if depth > _DEEPEST or weight > _HEAVIEST:
            raise ArchiveError(_TRAP, hint="Do not use this file.")
        self._stack.append((depth, weight))
        self._note(name, argument)

    def _note(self, name: str, argument: bytes) -> None:
        """Keep the names that are asked for; those on the stack are the two texts before."""
        if name in _TEXT:
            self._say(argument.decode("utf-8", "surrogatepass"))
            return
        if name in _LINES:
            module, found = argument.decode("utf-8").split("\n")[:2]
            self._wanted.names.add((module, found))
        elif name == "STACK_GLOBAL":
            module_name, found_name = self._recent
            self._wanted.names.add((module_name or "?", found_name or _UNKNOWN))
        elif name.startswith("EXT"):
            self._wanted.names.add(("copyreg", "an extension"))
        if name in _MAKES_OBJECTS:
            self._wanted.names.add(("an object", "of a class of its own"))
        self._last = None

    def _say(self, text: str | None) -> None:
        self._recent = [self._recent[1], text]
        self._last = text

    @staticmethod
    def _number(name: str, argument: bytes) -> int:
        return int(argument) if name in {"PUT", "GET"} else int.from_bytes(argument, "little")
