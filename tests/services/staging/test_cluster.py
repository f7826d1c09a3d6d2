"""Staging with a Dask cluster: real schedulers and worker processes on this machine."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import InputError, JobCancelledError, MissingLibraryError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.staging.cluster import address, crew, replicas
from colabpanel.services.staging.crew.unpacker import Task
from colabpanel.services.staging.service import stage
from tests.archives import make_zip, tree_of

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::UserWarning")

TREE = {f"d{number % 9}/{number:04}": random.Random(number).randbytes(30_000) for number in range(1200)}


class Watched(Progress):
    """Does something once so many bytes are done."""

    def __init__(self, at: int, action: Any) -> None:
        self.at, self.action, self.done = at, action, 0

    def start(self, total: int | None, description: str, **more: Any) -> None:
        self.done = 0

    def advance(self, amount: int = 1) -> None:
        self.done += amount
        if self.done >= self.at and self.action:
            action, self.action = self.action, None
            action()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    hosts = ("127.0.0.1", "127.0.0.2")
    workers = {
        number: {"cls": distributed.Nanny, "options": {"host": host, "nthreads": 1, "dashboard": False}}
        for number, host in enumerate(hosts)
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": ":0"},
    }
    with distributed.SpecCluster(workers=workers, scheduler=scheduler) as cluster, distributed.Client(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zip(tmp_path_factory.mktemp("cluster") / "a.zip", TREE, method=zipfile.ZIP_STORED)


def test_the_workers_of_a_cluster_share_an_archive(client: Any, archive: Path, tmp_path: Path) -> None:
    staged = stage(archive, tmp_path / "out", client=client)
    assert (staged.status, staged.files, staged.hosts) == ("ok", len(TREE), ())
    assert tree_of(tmp_path / "out") == TREE
    assert not (tmp_path / "out.partial").exists()


def test_a_worker_that_is_killed_midway_loses_nothing(client: Any, archive: Path, tmp_path: Path) -> None:
    def kill() -> None:
        pids = client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    staged = stage(archive, tmp_path / "out", client=client, progress=Watched(1, kill))
    assert staged.status == "ok"
    assert tree_of(tmp_path / "out") == TREE
    client.wait_for_workers(2)


@pytest.mark.parametrize("mode", ["shard", "replica"])
def test_cancelling_leaves_the_target_alone(client: Any, archive: Path, tmp_path: Path, mode: Any) -> None:
    def cancel() -> None:
        raise JobCancelledError

    with pytest.raises(JobCancelledError):
        stage(archive, tmp_path / "out", client=client, mode=mode, progress=Watched(0, cancel))
    assert not (tmp_path / "out").exists()
    assert stage(archive, tmp_path / "out", client=client).files == len(TREE)
    assert tree_of(tmp_path / "out") == TREE


def test_damage_is_named_by_the_workers_too(client: Any, archive: Path, tmp_path: Path) -> None:
    raw = bytearray(archive.read_bytes())
    raw[raw.index(TREE["d4/0400"]) + 10] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    staged = stage(tmp_path / "a.zip", tmp_path / "out", client=client)
    assert [pair.member for pair in staged.skipped] == ["d4/0400"]
    assert tree_of(tmp_path / "out") == {name: data for name, data in TREE.items() if name != "d4/0400"}


def test_each_machine_gets_a_replica(client: Any, archive: Path, tmp_path: Path) -> None:
    staged = stage(archive, tmp_path / "out", client=client, mode="replica")
    assert staged.hosts == ("127.0.0.1", "127.0.0.2")  # which here share a disk: one of them finds it done
    assert (staged.status, staged.files) == ("ok", len(TREE))
    assert tree_of(tmp_path / "out") == TREE


def test_a_replica_that_fails_names_its_machine(client: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.\d: .*does not exist"):
        stage(tmp_path / "missing.zip", tmp_path / "out", client=client, mode="replica")


def test_clients_that_cannot_be_used(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="must be a"):
        stage(archive, tmp_path / "out", client=object())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="mode cannot be 'all'"):
        stage(archive, tmp_path / "out", mode="all")  # type: ignore[arg-type]
    with distributed.Client(processes=False, dashboard_address=None, n_workers=1) as inside:
        with pytest.raises(InputError, match="inside the notebook's own process"):
            stage(archive, tmp_path / "out", client=inside)
        where = {"address": "tcp://127.0.0.1:9", "credentials": None}
    monkeypatch.setattr(address, "_PATIENCE", "1s")
    with pytest.raises(StorageError, match="does not answer"):
        address.connect(where)


class FakeClient:
    """A client whose workers answer what a test wants."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers

    def run(self, *_: Any) -> Any:
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    def scheduler_info(self) -> dict[str, Any]:
        return {"workers": {}}


def test_workers_that_cannot_do_it_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    task = Task(str(tmp_path / "a"), str(tmp_path), None, 1, 0)
    with pytest.raises(InputError, match="1 of 2 workers do not see"):
        crew._insist_on_one_disk(FakeClient({"w1": True, "w2": False}), task, tmp_path / "a")
    missing = ModuleNotFoundError("no", name="colabpanel")
    with pytest.raises(InputError, match="cannot import colabpanel"):
        crew._insist_on_one_disk(FakeClient(missing), task, tmp_path / "a")
    killed = type("KilledWorker", (Exception,), {})()
    assert "died again and again" in str(address.words_of(killed))
    assert "has dropped the work" in str(address.words_of(asyncio.CancelledError()))
    assert "has dropped the work" in str(address.words_of(distributed.client.FutureCancelledError("key", None)))
    with pytest.raises(StorageError, match="no workers"):
        replicas.stage_replicas(FakeClient(None), {}, Progress())


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingLibraryError, match=r"(?i)staging with a cluster") as caught:
        address.connect({"address": "tcp://127.0.0.1:9", "credentials": None})
    assert "colabpanel[dask]" in caught.value.hint.lower()
