"""The process that decodes images: one request after another, little memory, no way to crash the kernel.

`workers` starts it. Each request is answered with ``{"answer": ...}``, or with
``{"trouble": sentence, "hint": ...}``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from colabpanel.errors import ColabPanelError, MissingLibraryError, PathError
from colabpanel.services.images.cache import Kept, ThumbnailCache, key_of
from colabpanel.services.images.members import Archives, opened_file
from colabpanel.services.paths import resolve_inside
from colabpanel.services.staging.crew.served import receive, send

__all__ = ["Answerer", "serve"]

_MEMORY = 2 << 30
"""Bytes of address space: what Python, Pillow and NumPy map, and the largest image that is decoded, twice."""

_PIECE = 1 << 20


class Answerer:
    """Answers requests, and keeps the last archive open between them."""

    def __init__(self) -> None:
        self._archives = Archives()
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "picture": self._picture,
            "pixel": self._pixel,
            "thumbnail": self._thumbnail,
            "check": self._check,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; whatever goes wrong is told in a sentence."""
        try:
            return {"answer": self._answers[request["task"]](request)}
        except ColabPanelError as error:
            kind = "library" if isinstance(error, MissingLibraryError) else type(error).__name__
            return {"trouble": error.message, "hint": error.hint, "kind": kind}
        except MemoryError:
            return _trouble(request, "takes more memory to decode than is allowed here")
        except OSError as error:
            return _trouble(request, f"cannot be read ({os.strerror(error.errno or 0)})")
        except Exception as error:  # noqa: BLE001 - a foreign file may break a decoder in any way
            return _trouble(request, f"cannot be decoded ({type(error).__name__}: {error})")

    @contextmanager
    def _opened(self, request: dict[str, Any]) -> Iterator[tuple[IO[bytes], int]]:
        if (data := request.get("data")) is not None:
            yield _stream(data), len(data)
        elif (number := request.get("member")) is not None:
            data = self._archives.member(_real(request), number)
            yield _stream(data), len(data)
        else:
            path = _real(request)
            if path.is_dir():
                raise PathError(f"{request['path']} is a folder.", hint="List its images, or choose one of them.")
            with opened_file(path) as (stream, size):
                yield stream, size

    def _picture(self, request: dict[str, Any]) -> Any:
        from colabpanel.services.images.files import picture_of_file

        with self._opened(request) as (stream, size):
            return picture_of_file(stream, request["name"], size, request["frame"])

    def _pixel(self, request: dict[str, Any]) -> Any:
        from colabpanel.services.images.files import pixel_of_file

        with self._opened(request) as (stream, _):
            return pixel_of_file(stream, request["name"], request["frame"], request["x"], request["y"])

    def _thumbnail(self, request: dict[str, Any]) -> Any:
        """Return the width, the height and the bytes of a thumbnail, from the cache where it is kept."""
        edge, most = request["edge"], request["most"]
        cache = ThumbnailCache(Path(request["cache"]))
        path = _real(request)
        status = path.stat()
        key = key_of(path, status.st_size, status.st_mtime_ns, request.get("member"), request["name"], edge, most)
        kept = cache.get(key)
        if kept is None:
            from colabpanel.services.images.files import thumbnail_of_file

            with self._opened(request) as (stream, _):
                kept = Kept(*thumbnail_of_file(stream, request["name"], edge, most))
            cache.put(key, kept)
            return (*kept, True)
        return (*kept, False)

    def _check(self, request: dict[str, Any]) -> Any:
        """Return the digest of a file's bytes, and why it cannot be decoded, or an empty string."""
        from colabpanel.services.images.files import check

        with self._opened(request) as (stream, _):
            digest = hashlib.blake2b(digest_size=16)
            while piece := stream.read(_PIECE):
                digest.update(piece)
            stream.seek(0)
            try:
                check(stream, request["name"])
            except MissingLibraryError:
                raise
            except ColabPanelError as error:
                return digest.hexdigest(), error.message
        return digest.hexdigest(), ""


def _stream(data: bytes) -> IO[bytes]:
    import io

    return io.BytesIO(data)


def _real(request: dict[str, Any]) -> Path:
    return resolve_inside(request["root"], request["path"])


def _trouble(request: dict[str, Any], what: str) -> dict[str, Any]:
    return {"trouble": f"{request['name']} {what}.", "hint": "", "kind": "InputError"}


def limit_memory(most: int = _MEMORY) -> None:
    """Let this process have so much address space and no more, where the system can see to that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # or NumPy maps memory for each processor
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def serve() -> None:
    """Be the process: answer requests from standard input until there are no more."""
    limit_memory()
    source, output = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not mix with answers
    answerer = Answerer()
    with contextlib.suppress(EOFError, OSError):
        while True:
            send(output, answerer.answer(receive(source)))
    os._exit(0)
