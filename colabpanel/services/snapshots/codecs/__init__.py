"""Codecs: how objects of other libraries are taken apart into leaves, and built again.

A codec is one module with a `Codec` in it. It is asked only once its library is loaded, so importing colabpanel
loads none of them. Another package adds one through the entry-point group ``colabpanel.codecs``: the name is the
library's, the value ``"package.module:CODEC"``.
"""

from __future__ import annotations

from colabpanel.services.snapshots.codecs._base import Builder, Codec, LeafReader, Reduce, built
from colabpanel.services.snapshots.codecs._registry import builder_of, reducer_for

__all__ = ["Builder", "Codec", "LeafReader", "Reduce", "builder_of", "built", "reducer_for"]
