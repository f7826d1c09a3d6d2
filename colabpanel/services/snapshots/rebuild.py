"""The names that skeletons use for what is built again when they are loaded.

A skeleton is a pickle in which everything that colabpanel takes apart is a call of one of these, so the files do
not depend on where our code, or that of a library, stands. The reader answers them; here they only refuse.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["array", "build"]


def array(_number: int) -> NoReturn:
    """Stand for the array of this number."""
    _refuse()


def build(_kind: str, *_arguments: object) -> NoReturn:
    """Stand for what the codec of this kind builds."""
    _refuse()


def _refuse() -> NoReturn:
    raise TypeError("This is a part of a snapshot. Read the whole file with colabpanel.load.")
