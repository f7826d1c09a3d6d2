"""Trying a password before anything is unpacked."""

from __future__ import annotations

from colabpanel.errors import ColabPanelError, PasswordError
from colabpanel.services.staging.archive import MemberError
from colabpanel.services.staging.zips.decode import DAMAGED, checked, method_of, unpacked
from colabpanel.services.staging.zips.locks import crc_counts, decrypted, wrong_password
from colabpanel.services.staging.zips.reader import ZipReader

__all__ = ["insist_on_password"]

_TRIAL = 64 << 20


def insist_on_password(reader: ZipReader, password: str | None) -> None:
    """Refuse an encrypted archive without its password.

    The smallest encrypted member is decoded in full, for the check value alone fits one
    wrong password in 256.

    Raises:
        PasswordError: There is none, or it is wrong.
    """
    if not reader.encrypted:
        return
    if password is None:
        raise PasswordError("This archive is encrypted.", hint="Enter its password and stage it again.")
    entry = reader.smallest_encrypted(_TRIAL)
    if entry is None:
        return
    try:
        pieces = decrypted(entry, password, reader.pieces(entry))
        for _ in checked(unpacked(method_of(entry), pieces), entry, crc_counts=crc_counts(entry)):
            pass
    except ColabPanelError:
        raise
    except MemberError:
        raise wrong_password() from None
    except DAMAGED:
        raise wrong_password() from None
