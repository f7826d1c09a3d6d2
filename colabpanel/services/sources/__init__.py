"""Where the bytes of an archive come from."""

from __future__ import annotations

from colabpanel.services.sources.ahead import ReadAhead, Reading
from colabpanel.services.sources.local import LocalSource, read_at
from colabpanel.services.sources.opening import Source, is_address, open_source
from colabpanel.services.sources.stream import SourceFile

__all__ = ["LocalSource", "ReadAhead", "Reading", "Source", "SourceFile", "is_address", "open_source", "read_at"]
