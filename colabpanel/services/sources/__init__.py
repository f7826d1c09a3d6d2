"""Where the bytes of an archive come from.

`local` reads files and mounts; `http` reads ranges of an address, with `s3` to sign questions, and `file_systems`
what fsspec knows. `addresses` says which of them a text means, `spec` opens it, `whole` brings a file of a server
that gives no ranges, and `ahead` reads what will be wanted next. Whatever reads only local files loads only that.
"""

from __future__ import annotations

from colabpanel.services.sources.ahead import ReadAhead, Reading, read_range, stream_of
from colabpanel.services.sources.local import LocalSource, SourceFile, read_at
from colabpanel.services.sources.source import AT_ONCE, Source

__all__ = [
    "AT_ONCE",
    "LocalSource",
    "ReadAhead",
    "Reading",
    "Source",
    "SourceFile",
    "read_at",
    "read_range",
    "stream_of",
]
