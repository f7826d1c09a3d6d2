"""What tells how to open a source: a path, or a specification that crosses into other processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from colabpanel.progress import Progress
from colabpanel.services.sources.source import Source

__all__ = ["SourceKind", "SourceSpec", "open_source"]

_HIDDEN = "?…"

SourceKind = Literal["http", "s3", "fsspec"]


@dataclass(frozen=True)
class SourceSpec:
    """How a file elsewhere is opened, as JSON values.

    It may hold secrets: it goes to child processes over their input, and never into a log, an
    error or a receipt. Its text shows none of them.

    Attributes:
        kind: ``http`` for an address that gives ranges, ``s3`` for one whose questions are signed, ``fsspec``
            for a file system of that library.
        url: The address.
        headers: Sent to the host of the address, and to no other.
        options: ``name`` of the file; ``shown``, what errors call it; ``public_only``, whether only public
            addresses may be asked; ``is_file``, that no page comes in its place; ``identity``, a list that
            tells its content from another's where the server does not; ``keys`` and ``region`` to sign with;
            ``storage``, options of fsspec; and ``known``, which a source that was opened adds for the
            next process.
    """

    kind: SourceKind
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """Where the file is, without what may be secret in it."""
        return str(self.options.get("shown") or without_secrets(self.url))

    @property
    def name(self) -> str:
        """The name of the file, as far as the address tells."""
        path = without_secrets(self.url).removesuffix(_HIDDEN).rstrip("/")
        return str(self.options.get("name") or unquote(path.rpartition("/")[2]))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def knowing(self, **known: Any) -> SourceSpec:
        """Return it with what opening it has told."""
        return replace(self, options={**self.options, "known": known})


def without_secrets(url: str) -> str:
    """Return an address without a name and password, and without a query that may hold a token."""
    scheme, separator, rest = url.partition("://")
    rest = rest.partition("#")[0]
    place, question, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}{_HIDDEN if question else ''}"


def open_source(what: SourceSpec | Mapping[str, Any] | Path | str, *, progress: Progress | None = None) -> Source:
    """Open a file, wherever it is.

    Args:
        what: A path, or a specification, also as the JSON values of one.
        progress: May cancel the waiting for a server.

    Raises:
        InputError: There is no such file, or it may not be read.
        SourceLostError: It cannot be read.
        NoRangesError: The server gives it only whole; see `colabpanel.services.sources.whole`.
    """
    if isinstance(what, (str, Path)):
        from colabpanel.services.sources.local import LocalSource

        return LocalSource(Path(what))
    spec = what if isinstance(what, SourceSpec) else SourceSpec(**what)
    if spec.kind == "fsspec":
        from colabpanel.services.sources.file_systems import FileSystemSource

        return FileSystemSource(spec)
    from colabpanel.services.sources.http import HttpSource

    return HttpSource(spec, progress=progress)
