"""A replica of an archive's files on every machine of a cluster, each staged there from the common source."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.staging.cluster import tasks
from colabpanel.services.staging.cluster.address import no_workers, words_of

__all__ = ["stage_replicas"]

_RETRIES = 2
_LOOK, _GRACE = 0.25, 10.0
_LOOK_FOR_WORKERS, _GIVE_UP_AFTER = 5.0, 60.0


def stage_replicas(client: Any, arguments: Mapping[str, Any], progress: Progress) -> dict[str, dict[str, Any]]:
    """Stage on every machine of a cluster, and wait for all of them.

    Args:
        client: A ``dask.distributed.Client``.
        arguments: The arguments of `colabpanel.stage`, as plain values.
        progress: Is told the bytes done on all machines, and may cancel.

    Returns:
        By host, what became of it there: the fields of `StagedData`, as plain values.

    Raises:
        StorageError: There are no workers, or a machine failed; the others have finished.
        ColabPanelError: What staging raised on a machine.
    """
    hosts = sorted({worker["host"] for worker in _workers(client).values()})
    if not hosts:
        raise no_workers()
    run = f"colabpanel-{uuid.uuid4().hex}"
    futures = {
        # By its host, for a worker that is started again has another address.
        host: client.submit(
            tasks.stage_replica,
            run,
            dict(arguments),
            workers=[host],
            allow_other_workers=False,
            pure=False,
            retries=_RETRIES,
        )
        for host in hosts
    }
    try:
        _wait(client, run, futures, progress)
    except BaseException:
        with contextlib.suppress(Exception):  # the cluster may be gone
            client.run(tasks.stop, run)
        _let_end(futures)
        client.cancel(list(futures.values()))
        raise
    return {host: _result(host, future) for host, future in futures.items()}


def _workers(client: Any) -> dict[str, Any]:
    try:
        found = client.scheduler_info(n_workers=-1)
    except TypeError:  # older ones tell all without being asked
        found = client.scheduler_info()
    workers: dict[str, Any] = found["workers"]
    return workers


def _wait(client: Any, run: str, futures: Mapping[str, Any], progress: Progress) -> None:
    seen: dict[str, tuple[int, int]] = {}
    total = done = 0
    patience = _Patience(client, futures)
    while not all(future.done() for future in futures.values()):
        for _, event in client.get_events(run) or ():
            seen[event["host"]] = event["done"], event["total"]
        sums = sum(now for now, _ in seen.values()), sum(whole for _, whole in seen.values())
        if sums[1] != total and len(seen) == len(futures):
            total, done = sums[1], 0
            progress.start(total, f"Unpacking on {len(futures)} machines")
        if total:
            progress.advance(max(sums[0] - done, 0))
            done = max(done, sums[0])
        progress.advance(0)
        patience.look()
        time.sleep(_LOOK)


def _let_end(futures: Mapping[str, Any]) -> None:
    """Give replicas that were told to stop the time to do so."""
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline and not all(future.done() for future in futures.values()):
        time.sleep(_LOOK)


class _Patience:
    """Gives a machine up that has had no worker for a minute: its task waits for one of its own."""

    def __init__(self, client: Any, futures: Mapping[str, Any]) -> None:
        self._client, self._futures = client, futures
        self._seen = dict.fromkeys(futures, time.monotonic())
        self._next = time.monotonic() + _LOOK_FOR_WORKERS

    def look(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_FOR_WORKERS
        for worker in _workers(self._client).values():
            self._seen[worker["host"]] = now
        for host, future in self._futures.items():
            if not future.done() and now - self._seen[host] > _GIVE_UP_AFTER:
                raise StorageError(f"{host} has no worker any more.", hint="Start one there, and stage again.")


def _result(host: str, future: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = future.result()
    except ColabPanelError as error:
        raise type(error)(f"{host}: {error.message}", hint=error.hint) from error
    except Exception as error:
        found_words = words_of(error)
        if found_words is error:
            found_words = StorageError(f"Staging failed on {host} ({type(error).__name__}).", hint=str(error)[:300])
        raise found_words from error
    return found
