"""What rclone says went wrong, in words."""

from __future__ import annotations

import re

from colabpanel.errors import ColabPanelError, HostError, InputError, PathError, SourceLostError, StorageError

__all__ = ["as_error", "without_secrets"]

_LONGEST = 300
_SECRET = re.compile(r"(?i)((?:token|secret|pass(?:word)?|authorization|key)[\"']?\s*[:=]\s*)[^\s,;&]+")
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']*")
_LOGIN = re.compile(r"(https?://)[^\s/@\"']+@")

_GONE = re.compile(
    r"directory not found|object not found|file not found|no such file|not found \(404\)|is a file not", re.IGNORECASE
)
_UNKNOWN = re.compile(r"didn't find section in config file|section .* not found", re.IGNORECASE)
_LOCKED = re.compile(r"unable to decrypt configuration|couldn't decrypt configuration|config.*password", re.IGNORECASE)
_SIGN_IN = re.compile(
    r"invalid_grant|expired_access_token|invalid_access_token|token expired|authError|unauthorized|couldn't fetch token"
    r"|empty token found|\b401\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"storageQuotaExceeded|insufficient_space|quota has been exceeded|quotaLimitReached|no space left", re.IGNORECASE
)
_BUSY = re.compile(
    r"rateLimitExceeded|too_many_requests|too many requests|\b429\b|SlowDown|dailyLimitExceeded", re.IGNORECASE
)
_AWAY = re.compile(
    r"no such host|connection refused|connection reset|network is unreachable|i/o timeout|timeout|deadline exceeded"
    r"|\bEOF\b|Temporary failure in name resolution|Bad Gateway|Service Unavailable|\b50[0234]\b",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return what a program said without what may be secret in it."""
    return _SECRET.sub(r"\1(hidden)", _LOGIN.sub(r"\1", _QUERY.sub(r"\1", text)))


def as_error(said: str, name: str, path: str = "") -> ColabPanelError:
    """Turn what rclone said into words.

    Args:
        said: Its error.
        name: The remote.
        path: What was asked for there.
    """
    what = f"{name}:{path}"
    if _UNKNOWN.search(said):
        return InputError(
            f"There is no remote called {name}.",
            hint="See which there are in the Drive tab. A path of this machine with a colon in it begins with ./",
        )
    if _LOCKED.search(said):
        return InputError(
            "The configuration of rclone is encrypted, and its password is not known here.",
            hint="Set RCLONE_CONFIG_PASS before the notebook starts.",
        )
    if _FULL.search(said):
        return StorageError(f"{name} is full.", hint="Free some space there; its trash may take room, too.")
    if _BUSY.search(said):
        return SourceLostError(f"{name} wants to be asked less often.", hint="Try again in some minutes.")
    if _SIGN_IN.search(said):
        return HostError(
            f"{name} does not accept the credentials any more.", hint=f"Sign in again: rclone config reconnect {name}:"
        )
    if "not a directory" in said:
        return PathError(f"{what} is a file.", hint="List the folder that it is in.")
    if _GONE.search(said):
        return PathError(f"{what} does not exist.", hint="Check the spelling, or look into the folder above.")
    if _AWAY.search(said):
        return SourceLostError(f"{name} does not answer.", hint="Check the connection, then try again.")
    short = without_secrets(said).strip().splitlines()[-1:] or ["it does not say why"]
    return StorageError(f"rclone could not do it for {what}: {short[0][:_LONGEST]}.")
