"""Trying a password before anything is unpacked."""

from __future__ import annotations

from colabpanel.errors import ColabPanelError, PasswordError
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.zips.decode import DAMAGED, checked, method_of, unpacked
from colabpanel.services.staging.zips.entries import Entry
from colabpanel.services.staging.zips.locks import crc_counts, decrypted, wrong_password
from colabpanel.services.staging.zips.reader import ZipReader

__all__ = ["insist_on_password"]

_TRIAL, _TRIED = 64 << 20, 3


def insist_on_password(reader: ZipReader, password: str | None) -> None:
    """Refuse an encrypted archive without its password.

    The smallest encrypted member is decoded in full, for the check value alone fits one
    wrong password in 256; where that fails, for it may be damaged, the next ones.

    Raises:
        PasswordError: There is none, or it is wrong.
    """
    if not reader.encrypted:
        return
    if password is None:
        raise PasswordError("This archive is encrypted.", hint="Enter its password and stage it again.")
    tried = reader.smallest_encrypted(_TRIAL, _TRIED)
    if tried and not any(_opens(reader, entry, password) for entry in tried):
        raise wrong_password()


def _opens(reader: ZipReader, entry: Entry, password: str) -> bool:
    try:
        pieces = decrypted(entry, password, reader.pieces(entry))
        for _ in checked(unpacked(method_of(entry), pieces), entry, crc_counts=crc_counts(entry)):
            pass
    except PasswordError:
        return False
    except ColabPanelError:
        raise
    except MemberError:
        return False
    except DAMAGED:
        return False
    return True
