"""Whether this user wrote a file: a signature with a key that is kept in the user's configuration folder."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from colabpanel.hosts import config_dir

__all__ = ["is_signed_by_us", "signature_of"]

_KEY = "snapshot.key"
_LENGTH = 32


def signature_of(data: bytes) -> str:
    """Sign some bytes; the key is made when there is none."""
    return hmac.new(_key() or _new_key(), data, hashlib.sha256).hexdigest()


def is_signed_by_us(data: bytes, signature: str) -> bool:
    """Whether the signature of some bytes was made with the key of this user."""
    key = _key()
    return key is not None and hmac.compare_digest(
        hmac.new(key, data, hashlib.sha256).hexdigest().encode(), signature.encode()
    )


def _path() -> Path:
    return config_dir() / _KEY


def _key() -> bytes | None:
    try:
        found = _path().read_bytes()
    except OSError:
        return None
    return found if len(found) == _LENGTH else None


def _new_key() -> bytes:
    """Make a key that nobody else may read; of two processes that make one, the first wins."""
    path, key = _path(), secrets.token_bytes(_LENGTH)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        if path.exists() and _key() is None:
            beside.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(beside, path)
    except OSError:  # a disk without hard links
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return _key() or key
