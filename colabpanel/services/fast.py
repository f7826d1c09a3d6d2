"""The quick libraries for deflate and checksums, where this machine has them."""

from __future__ import annotations

import zlib
from typing import Any

__all__ = ["fast_zlib", "libdeflate"]

fast_zlib: Any
"""ISA-L, or zlib: both have the interface of zlib."""

try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this machine
    fast_zlib = zlib

libdeflate: Any
"""libdeflate, which works on whole members, or None."""

try:
    import deflate as libdeflate
except ImportError:  # no wheel for this machine
    libdeflate = None
