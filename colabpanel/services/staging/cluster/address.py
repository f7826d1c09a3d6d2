"""Where a cluster is found again: a client's address as JSON, and the error for one that has none."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

from colabpanel.errors import InputError, StorageError
from colabpanel.services.optional import optional

__all__ = ["address_of", "connect", "no_workers", "words_of"]

_CREDENTIALS = ("tls_ca_file", "tls_client_cert", "tls_client_key", "require_encryption")
_PATIENCE = "30s"
_NOT_A_CLIENT = "client must be a dask.distributed.Client."


def address_of(client: Any) -> dict[str, Any]:
    """Return what another process needs to connect to the same scheduler.

    Raises:
        InputError: It is no client, or its scheduler has no address.
    """
    try:
        address, security = client.scheduler.address, client.security
    except AttributeError:
        raise InputError(
            _NOT_A_CLIENT, hint='Run: pip install "colabpanel[dask]", and pass Client("scheduler:8786").'
        ) from None
    if address.startswith("inproc"):
        raise InputError(
            "This cluster lives inside the notebook's own process and cannot be reached by another.",
            hint="Make it with Client(processes=True), or connect to a scheduler by its address.",
        )
    credentials = {name: getattr(security, name, None) for name in _CREDENTIALS}
    return {"address": address, "credentials": credentials if any(credentials.values()) else None}


def connect(where: dict[str, Any]) -> Any:
    """Return a client of the scheduler at this address.

    Raises:
        MissingLibraryError: ``distributed`` is not installed.
        StorageError: The scheduler does not answer.
    """
    distributed = optional("distributed", "staging with a cluster")
    security = distributed.Security(**where["credentials"]) if where["credentials"] else None
    try:
        return distributed.Client(where["address"], security=security, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise StorageError(
            f"The scheduler at {where['address']} does not answer.", hint="Is the cluster still running?"
        ) from error


def no_workers() -> StorageError:
    """Return the error for a cluster without workers."""
    return StorageError(
        "The cluster has no workers.", hint="Start some, or wait for them with client.wait_for_workers(1)."
    )


def words_of(error: BaseException) -> Exception:
    """Return an error of a task, in words where it is about the cluster."""
    if isinstance(error, ModuleNotFoundError):
        return InputError(
            f"The cluster's workers cannot import {error.name}.",
            hint='Install it there, too: pip install "colabpanel[dask]".',
        )
    if type(error).__name__ == "KilledWorker":
        return StorageError(
            "Workers of the cluster died again and again.",
            hint="They may be out of memory. What was done so far is kept: run it again to go on.",
        )
    if isinstance(error, (asyncio.CancelledError, concurrent.futures.CancelledError)):
        return StorageError(
            "The cluster has dropped the work.",
            hint="It may have been restarted. What was done so far is kept: run it again to go on.",
        )
    return error if isinstance(error, Exception) else StorageError(f"The cluster failed ({type(error).__name__}).")
