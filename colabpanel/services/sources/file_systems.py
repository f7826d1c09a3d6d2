"""A file of any file system that the library fsspec knows, with retries and length checks of our own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError, PathError, SourceLostError
from colabpanel.services.optional import optional
from colabpanel.services.sources.ahead import read_range
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.opening import Pauses

__all__ = ["FileSystemSource", "file_system_of"]

_TELLING = ("ETag", "etag", "md5Hash", "crc32c", "generation", "content_md5", "LastModified", "last_modified", "mtime")
"""What file systems tell of a file that changes with its content."""

_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)


def file_system_of(spec: SourceSpec) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it.

    Raises:
        InputError: There is no such kind of address.
        MissingLibraryError: fsspec, or what it needs for such addresses, is not installed.
        SourceLostError: Where it leads to cannot be reached.
    """
    protocol = spec.url.partition("://")[0]
    core = optional("fsspec.core", f"using {protocol}:// addresses")
    try:
        system, path = core.url_to_fs(spec.url, **spec.options.get("storage", {}))
    except ImportError as error:
        raise _needs_library(protocol, error) from None
    except ValueError:
        raise InputError(
            f"{spec.shown} is of a kind that is not known.", hint="Check how the address begins."
        ) from None
    except Exception as error:  # noqa: BLE001 - some connect; what libraries say may hold secrets
        raise SourceLostError(
            f"{spec.shown} cannot be reached ({type(error).__name__}).", hint="Check the address, or try again later."
        ) from None
    return system, path


def _needs_library(protocol: str, error: ImportError) -> MissingLibraryError:
    registry = optional("fsspec.registry", f"using {protocol}:// addresses")
    known: str = registry.known_implementations.get(protocol, {}).get("class", "")
    library = (error.name or known).partition(".")[0]
    if known and not known.startswith("fsspec."):
        library = known.partition(".")[0]
    return MissingLibraryError(
        f"Using {protocol}:// addresses needs a library that is not installed ({library}).",
        hint=f"Run: pip install {library}",
    )


class FileSystemSource:
    """A file that fsspec reads.

    Args:
        spec: What to open.
        pause: Waits between tries, in seconds.
        opened: The file system and the path, where they are known.

    Raises:
        InputError: There is no such file, or it may not be read.
        MissingLibraryError: fsspec, or what it needs for such addresses, is not installed.
        SourceLostError: Where it is cannot be reached.
    """

    is_far = True

    def __init__(
        self,
        spec: SourceSpec,
        *,
        pause: Callable[[float], None] = time.sleep,
        opened: tuple[Any, str, dict[str, Any]] | None = None,
    ) -> None:
        self._spec, self._pause = spec, pause
        self.name, self.shown = spec.name, spec.shown
        self._system, self._path, self._facts = opened or self._find()
        self.size = int(self._facts["size"])
        self.modified: float | None = None
        told = [str(self._facts[name]) for name in _TELLING if self._facts.get(name)]
        self.identity: list[Any] = spec.options.get("identity") or [self.size, *told]

    @property
    def reference(self) -> dict[str, Any]:
        """The specification."""
        return self._spec.to_json()

    def _find(self) -> tuple[Any, str, dict[str, Any]]:
        system, path = file_system_of(self._spec)
        facts = self._patiently(lambda: system.info(path))
        if facts.get("type") == "directory":
            raise PathError(f"{self.shown} is a folder, not an archive.", hint="Choose an archive file.")
        if facts.get("size") is None:
            raise InputError(f"{self.shown} does not tell its size.", hint="Fetch it to the disk, and stage it there.")
        return system, path, facts

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Call until it works, as long as it may; texts of errors may hold secrets, and are not passed on."""
        pauses = Pauses()
        while True:
            try:
                return call()
            except _FINAL as error:
                raise self._refused(error) from None
            except ColabPanelError:
                raise
            except Exception as error:  # noqa: BLE001 - every library raises what it likes
                pause = pauses.after_failure()
                if pauses.spent:
                    raise self._lost(type(error).__name__) from None
            self._pause(pause)

    def _refused(self, error: Exception) -> PathError:
        if isinstance(error, PermissionError):
            return PathError(f"You may not read {self.shown}.", hint="Sign in where it is, or check its permissions.")
        return PathError(f"{self.shown} does not exist.", hint="Check the spelling.")

    def _lost(self, reason: str) -> SourceLostError:
        return SourceLostError(
            f"{self.shown} cannot be read ({reason}).", hint="Try again later: it goes on where it stopped."
        )

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``; fewer only at the end of the file.

        Raises:
            SourceLostError: They cannot be read, however often it is tried.
        """
        return read_range(self, start, end)

    def read_into(self, view: memoryview, start: int) -> int:
        """Fill a buffer with the bytes from ``start`` on; returns how many there were before the end.

        Raises:
            SourceLostError: As for `read`.
        """
        view = view[: max(self.size - start, 0)]
        done = 0
        while done < len(view):
            begin, end = start + done, start + len(view)
            data = self._patiently(lambda begin=begin, end=end: self._part(begin, end))  # type: ignore[misc]
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def _part(self, start: int, end: int) -> bytes:
        """Return some bytes of a range, at least one.

        Raises:
            SourceLostError: The file system gives other bytes than it is asked for.
        """
        data: bytes = self._system.cat_file(self._path, start=start, end=end)
        if len(data) > end - start:
            raise SourceLostError(
                f"{self.shown} is read through a file system that gives more than it is asked for, and cannot be used.",
                hint="Fetch the file to the disk, and stage it there.",
            )
        if not data:
            raise EOFError
        return data

    def again(self, *, tries: int | None = None) -> FileSystemSource:
        """Return the same file for another thread; the file system is shared, as fsspec does."""
        return FileSystemSource(self._spec, pause=self._pause, opened=(self._system, self._path, self._facts))

    def close(self) -> None:
        """Do nothing: file systems are kept by fsspec."""
