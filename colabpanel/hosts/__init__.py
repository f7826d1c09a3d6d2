"""What the notebook host is and what it can do; everything the panel needs from it goes through here."""

from __future__ import annotations

from colabpanel.hosts._base import CellWatcher, Host, PageCall, config_dir, state_dir
from colabpanel.hosts._detect import detect
from colabpanel.hosts._limits import TimeLimit

__all__ = ["CellWatcher", "Host", "PageCall", "TimeLimit", "config_dir", "detect", "state_dir"]
