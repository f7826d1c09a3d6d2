"""Paths that come from a user, kept inside a root."""

from __future__ import annotations

import os
from pathlib import Path

from colabpanel.errors import OutsideRootError, PathError

__all__ = ["anchored", "enter_folder", "real_root", "resolve_inside"]


def resolve_inside(root: Path | str | None, path: Path | str) -> Path:
    """Return the real, absolute path, and insist that it lies inside the root.

    Links are followed before the check. A relative path counts from the root, or from
    the working folder where there is no root. ``~`` is the home folder.

    Raises:
        PathError: The path is empty or holds a NUL.
        OutsideRootError: It leads out of the root.
    """
    text = os.fspath(path)
    if not text.strip() or "\0" in text:
        raise PathError(
            "A path cannot hold a NUL character." if "\0" in text else "No path was given.",
            hint="Write the path of a file or folder.",
        )
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises for an unknown ~user
    if root is None:
        return Path(os.path.realpath(expanded))
    base = Path(os.path.realpath(root))
    real = Path(os.path.realpath(base / expanded))
    if real != base and base not in real.parents:
        raise OutsideRootError(
            f"{text} lies outside the folder that this panel may touch.", hint=f"Choose a path inside {base}."
        )
    return real


def enter_folder(path: Path | str) -> Path:
    """Make a folder the working folder of this process, and return its real path.

    Raises:
        PathError: It is not a folder, or may not be entered.
    """
    folder = resolve_inside(None, path)
    try:
        os.chdir(folder)
    except FileNotFoundError:
        raise PathError(f"{path} does not exist yet.", hint="Stage data into it first.") from None
    except NotADirectoryError:
        raise PathError(f"{path} is a file, not a folder.") from None
    except PermissionError:
        raise PathError(f"You may not enter {path}.") from None
    return folder


def anchored(path: str | Path, root: str | Path | None) -> str:
    """Return a path that means the same in the child; one below a root counts from there."""
    text = os.fspath(path)
    if root is not None or not text.strip():
        return text
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - Path.expanduser raises for ~x


def real_root(root: str | None) -> Path | None:
    """Return the folder the panel may touch, links resolved."""
    return Path(os.path.realpath(root)) if root else None
