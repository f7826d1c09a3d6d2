"""Encrypted members: the old ZipCrypto, and AES as WinZip and 7-Zip write it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from colabpanel.errors import PasswordError
from colabpanel.services.optional import optional
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.zips.entries import AES, Entry, field_of

__all__ = ["crc_counts", "decrypted", "wrong_password"]

_AES_FIELD = 0x9901
_WITHOUT_CRC = 2
_ROUNDS = 1000
_MAC_BYTES, _CHECK_BYTES = 10, 2
_CRYPTO_HEAD = 12
_HAS_DESCRIPTOR = 0x8
_KEYS = 0x12345678, 0x23456789, 0x34567890
_TABLE = [zlib.crc32(bytes([value]), 0xFFFFFFFF) ^ 0xFFFFFFFF for value in range(256)]


def wrong_password() -> PasswordError:
    """Return the error for a password that does not open an archive."""
    return PasswordError("The password does not open this archive.", hint="Check it and try again.")


def crc_counts(entry: Entry) -> bool:
    """Whether the table of contents holds an entry's CRC; the second form of AES has a code of its own instead."""
    field = field_of(entry.extra, _AES_FIELD) if entry.method == AES else None
    return field is None or int.from_bytes(field[:2], "little") != _WITHOUT_CRC


def decrypted(entry: Entry, password: str, pieces: Iterable[Any]) -> Iterator[bytes]:
    """Yield a member's compressed bytes.

    Raises:
        PasswordError: The password is not this member's.
        MemberError: It was changed or cut since it was encrypted.
        MissingLibraryError: AES needs pycryptodomex.
    """
    if entry.method == AES:
        return _aes(entry, password.encode(), pieces)
    return _zip_crypto(entry, password.encode(), pieces)


def _zip_crypto(entry: Entry, password: bytes, pieces: Iterable[Any]) -> Iterator[bytes]:
    keys = _Keys(password)
    head, rest = _split(pieces, _CRYPTO_HEAD)
    check = entry.stamp >> 8 if entry.flags & _HAS_DESCRIPTOR else entry.crc >> 24
    if keys.decrypt(head)[-1:] != bytes([check & 0xFF]):
        raise wrong_password()
    for piece in rest:
        yield keys.decrypt(piece)


class _Keys:
    """The three keys of ZipCrypto, which each byte changes."""

    def __init__(self, password: bytes) -> None:
        self._keys = _KEYS
        first, second, third = self._keys
        for byte in password:
            first = (first >> 8) ^ _TABLE[(first ^ byte) & 0xFF]
            second = ((second + (first & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            third = (third >> 8) ^ _TABLE[(third ^ (second >> 24)) & 0xFF]
        self._keys = first, second, third

    def decrypt(self, data: Any) -> bytes:
        first, second, third = self._keys
        table, found = _TABLE, bytearray(data)
        for index, byte in enumerate(found):
            mixed = third | 2
            byte ^= ((mixed * (mixed ^ 1)) >> 8) & 0xFF  # noqa: PLW2901
            found[index] = byte
            first = (first >> 8) ^ table[(first ^ byte) & 0xFF]
            second = ((second + (first & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            third = (third >> 8) ^ table[(third ^ (second >> 24)) & 0xFF]
        self._keys = first, second, third
        return bytes(found)


def _aes(entry: Entry, password: bytes, pieces: Iterable[Any]) -> Iterator[bytes]:
    cipher_module = optional("Cryptodome.Cipher.AES", "an archive encrypted with AES")
    counter_module = optional("Cryptodome.Util.Counter", "an archive encrypted with AES")
    strength = (field_of(entry.extra, _AES_FIELD) or b"\0" * 5)[4]
    if strength not in {1, 2, 3}:
        raise MemberError("its encryption is not one that is known")
    salt_size, key_size = 4 + 4 * strength, 8 + 8 * strength
    head, rest = _split(pieces, salt_size + _CHECK_BYTES)
    import hashlib  # loads OpenSSL
    import hmac

    keys = hashlib.pbkdf2_hmac("sha1", password, head[:salt_size], _ROUNDS, 2 * key_size + _CHECK_BYTES)
    if keys[-_CHECK_BYTES:] != head[salt_size:]:
        raise wrong_password()
    counter = counter_module.new(128, initial_value=1, little_endian=True)
    cipher = cipher_module.new(keys[:key_size], cipher_module.MODE_CTR, counter=counter)
    mac = hmac.new(keys[key_size : 2 * key_size], digestmod="sha1")
    last = b""
    for piece in rest:
        data = last + bytes(piece)
        data, last = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        mac.update(data)
        yield cipher.decrypt(data)
    if not hmac.compare_digest(mac.digest()[:_MAC_BYTES], last):
        raise MemberError("it is damaged: its authentication code does not match")


def _split(pieces: Iterable[Any], size: int) -> tuple[bytes, Iterator[Any]]:
    """Return the first bytes, and an iterator over the rest."""
    remaining, head = iter(pieces), b""
    while len(head) < size:
        piece = next(remaining, None)
        if piece is None:
            raise MemberError("it is damaged: the archive ends within it")
        head += bytes(piece)

    def rest() -> Iterator[Any]:
        if len(head) > size:
            yield head[size:]
        yield from remaining

    return head[:size], rest()
