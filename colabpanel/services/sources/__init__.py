"""Where the bytes of an archive come from."""

from __future__ import annotations

from colabpanel.services.sources.ahead import ReadAhead, Reading
from colabpanel.services.sources.local import LocalSource, SourceFile, read_at

__all__ = ["LocalSource", "ReadAhead", "Reading", "SourceFile", "read_at"]
