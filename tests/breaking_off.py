"""Files that break off while they are read."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import IO, Any

import pytest

__all__ = ["break_off"]


def break_off(patch: pytest.MonkeyPatch, names: Container[str], at: int, error: OSError | None) -> None:
    """Let files of these names, opened by `Path.open`, give so many bytes, and then an error or their end."""
    opened = Path.open

    def breaking(path: Path, mode: str = "r", **options: Any) -> Any:
        stream = opened(path, mode, **options)
        return _BreaksOff(stream, at, error) if path.name in names and mode == "rb" else stream

    patch.setattr(Path, "open", breaking)


class _BreaksOff:
    def __init__(self, stream: IO[bytes], at: int, error: OSError | None) -> None:
        self._stream, self._left, self._error = stream, at, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, amount: int = -1) -> bytes:
        data = self._stream.read(min(amount, self._left))
        self._left -= len(data)
        if not data and self._error is not None:
            raise self._error
        return data
