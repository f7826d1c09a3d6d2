"""What was done with remotes, in a sentence."""

from __future__ import annotations

from colabpanel import words
from colabpanel.services.remotes.models import PutFile, RemoteQuota

__all__ = ["put_summary", "quota_summary"]

_BY = {"size": "by its size, for the remote has no checksum", "hash": "by its checksum"}


def put_summary(put: PutFile) -> str:
    """Say what was put where: ``Put 1.2 GB at box:set.zip in 8 s; verified by its checksum.``."""
    took = words.duration(put.seconds)
    return f"Put {words.size(put.size)} at {put.address} in {took}; verified {_BY[put.checked]}."


def quota_summary(quota: RemoteQuota) -> str:
    """Say how much room there is; what is not known is said to be so."""
    parts = []
    if quota.used is not None and quota.total is not None:
        parts.append(f"{words.bytes_pair(quota.used, quota.total)} used")
    elif quota.used is not None:
        parts.append(f"{words.size(quota.used)} used, no limit known")
    if quota.free is not None:
        parts.append(f"{words.size(quota.free)} free")
    if quota.trash is not None:
        parts.append(f"{words.size(quota.trash)} in the trash")
    if not parts:
        return f"{quota.address} does not tell how much room it has."
    return f"{quota.address} {', '.join(parts)}."
