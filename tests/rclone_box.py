"""A configuration of rclone in which ``box:`` is a folder, and nothing is granted to a dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from colabpanel.services.remotes.permission import VARIABLE
from colabpanel.services.remotes.rclone.daemon import stop_rclone

__all__ = ["rclone_box"]


@contextmanager
def rclone_box(folder: Path, monkeypatch: pytest.MonkeyPatch, *, more: str = "") -> Iterator[Path]:
    """Write the configuration into a folder and use it, with an rclone of its own; gives the folder behind ``box:``."""
    box = folder / "box"
    box.mkdir()
    (folder / "rclone.conf").write_text(f"[box]\ntype = alias\nremote = {box}\n{more}")
    monkeypatch.setenv("RCLONE_CONFIG", str(folder / "rclone.conf"))
    monkeypatch.delenv(VARIABLE, raising=False)
    stop_rclone()
    yield box
    stop_rclone()
