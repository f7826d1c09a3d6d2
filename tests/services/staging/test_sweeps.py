"""Dying, or meeting a disk that fails, at every single change that staging and packing make."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from colabpanel.services.optional import optional
from colabpanel.services.staging.request import Request
from tests.archives import make_tar, make_zip, tree_of
from tests.sweeps import Fault, Run, Sweeper

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

Tree = dict[str, bytes]

STAGE = "colabpanel.services.staging.engine:stage_here"
DISCARD = "colabpanel.services.staging.engine:discard_here"
PACK = "colabpanel.services.staging.packing.engine:pack_here"
CREW = "colabpanel.services.staging.crew"
PACKING = "colabpanel.services.staging.packing"
SMALL = {"colabpanel.services.sources.ahead:_SLAB": 1 << 16}
IN_PIECES = {f"{CREW}.batches:LARGE": 100_000, f"{CREW}.batches:_MOST_JOBS": 4}
PACKED_IN_PIECES = {f"{PACKING}.{name}": 1000 for name in ("compress:LARGE", "zip_pack:LARGE", "zip_writer:_WRITE_AT")}
PROCESSES = {**IN_PIECES, f"{CREW}.crew:_MANY_FILES": 0, f"{CREW}.crew:_FEW_FILES": -1}
SENTENCE = re.compile(r"[A-Z/](?!.*[.!?] [A-Z]).*[^.!?]\.")

FILES: Tree = {
    **{f"d{number % 3}/{number:02}.bin": random.Random(number).randbytes(700 + number) for number in range(10)},
    "d0/deep/long.txt": b"line after line\n" * 20_000,
    "empty": b"",
}
OWN: Tree = {"d0/00.bin": FILES["d0/00.bin"], "d0/03.bin": b"old", "empty": b"not so", "d1/own": b"own", "own/b": b"b"}
OTHER: Tree = {"d0/00.bin": b"another", "d7/other": b"other"}
PACKED: Tree = {name: FILES[name] for name in FILES if name != "d1/01.bin"} | {"d0/03.bin": b"old", "d2/gone": b"gone"}
A_SHARD_MORE: Tree = {**PACKED, "d2/gone": b"a" * 9999}


class Scene(Protocol):
    """A call, what it begins with, and what it promises."""

    @property
    def call(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def lay_out(self, folder: Path, sweeper: Sweeper) -> None: ...
    def arguments(self, folder: Path) -> dict[str, Any]: ...
    def holds(self, folder: Path, template: Path) -> None: ...
    def is_done(self, folder: Path, template: Path, run: Run) -> None: ...


@dataclass(frozen=True)
class Staging:
    """Staging an archive into a folder beside it, or into the folder that holds it and is the root."""

    archive: str = "a.zip"
    own: Tree = field(default_factory=dict)
    is_root: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    files: Tree = field(default_factory=lambda: FILES)
    call = STAGE

    def lay_out(self, folder: Path, sweeper: Sweeper) -> None:
        _fill(folder / "out" if self.own else folder, self.own)
        make_zip(folder / "other.zip", OTHER)
        if self.archive.endswith(".zip"):
            make_zip(self._source(folder), self.files)
        else:
            make_tar(self._source(folder), self.files, mode="w:gz")

    def _source(self, folder: Path) -> Path:
        return folder / "out" / self.archive if self.is_root else folder / self.archive

    def arguments(self, folder: Path) -> dict[str, Any]:
        root, state = str(folder / "out") if self.is_root else None, str(folder / "state")
        request = Request(str(self._source(folder)), str(folder / "out"), root, state_dir=state, workers=2)
        return {"request": request.to_json()}

    def found(self, folder: Path) -> Tree:
        found = tree_of(folder / "out") if (folder / "out").exists() else {}
        return {name: data for name, data in found.items() if name != self.archive and ".partial/" not in name}

    def holds(self, folder: Path, template: Path) -> None:
        assert self._source(folder).read_bytes() == self._source(template).read_bytes()
        found = {name: data for name, data in self.found(folder).items() if not name.endswith(".part")}
        assert [name for name in found if found[name] not in (self.own.get(name), self.files.get(name))] == []
        assert self.own.keys() <= found.keys()
        if not self.own:
            assert found == (self.files if (folder / "out").exists() else {})

    def is_done(self, folder: Path, template: Path, run: Run) -> None:
        assert run.result, run.error
        assert (run.result["status"], run.result["skipped"], run.result["files"]) == ("ok", [], len(self.files))
        self.holds(folder, template)
        assert self.found(folder) == {**self.own, **self.files}
        assert {*os.listdir(folder), "state"} == {"out", "state", *os.listdir(template)}
        names = {path.split("/")[0] for path in [*self.own, *self.files]}
        assert set(os.listdir(folder / "out")) - {self.archive} == names


@dataclass(frozen=True)
class Packing:
    """Packing a folder, perhaps over what was packed before it changed."""

    archive: str = "o.zip"
    shard_size: int | None = None
    before: Tree = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    call = PACK

    def lay_out(self, folder: Path, sweeper: Sweeper) -> None:
        if self.before:
            _fill(folder / "data", self.before)
            assert sweeper.run(PACK, self.arguments(folder)).result
            (folder / "data/d2/gone").unlink()
        changed = {name: FILES[name] for name in FILES if self.before.get(name) != FILES[name]}
        _fill(folder / "data", changed)

    def arguments(self, folder: Path) -> dict[str, Any]:
        return {
            "directory": str(folder / "data"),
            "archive": str(folder / self.archive),
            "shard_size": self.shard_size,
            "level": None,
            "workers": 2,
            "root": None,
        }

    def _ours(self, folder: Path) -> list[str]:
        names = os.listdir((folder / self.archive).parent)
        return sorted(name for name in names if name.lstrip(".").startswith(("o.", "o-")))

    def _archives(self, folder: Path) -> dict[str, Tree]:
        within, ending = (folder / self.archive).parent, self.archive.partition(".")[2]
        return {name: _read(within / name) for name in self._ours(folder) if name[0] == "o" and name.endswith(ending)}

    def holds(self, folder: Path, template: Path) -> None:
        data = tree_of(folder / "data")
        assert {name: data[name] for name in data if name not in self._ours(folder)} == FILES
        archives = self._archives(folder)
        for found in archives.values():
            assert [name for name in found if found[name] not in (self.before.get(name), FILES.get(name))] == []
        if not self.shard_size:
            assert list(archives.values()) in ([self.before], [FILES], *([] if self.before else [[]]))
            return
        indexes = list((folder / self.archive).parent.glob("o*.index.json"))
        assert indexes or not self.before
        rows = [row for index in indexes for row in json.loads(index.read_text())["shards"]]
        listed = [row["name"] for row in rows if row["files"]]
        assert set(listed) <= archives.keys()
        kept = {name for name in self.before if self.before[name] == FILES.get(name)}
        assert kept <= {name for shard in listed for name in archives[shard]}

    def is_done(self, folder: Path, template: Path, run: Run) -> None:
        assert run.result, run.error
        assert (run.result["status"], run.result["skipped"], run.result["files"]) == ("ok", [], len(FILES))
        self.holds(folder, template)
        archives = self._archives(folder)
        assert [Path(path).name for path in run.result["archives"]] == sorted(archives)
        assert sorted(name for found in archives.values() for name in found) == sorted(FILES)
        assert {name: data for found in archives.values() for name, data in found.items()} == FILES
        left = [name for name in self._ours(folder) if name not in archives and not INDEX_BEING_WRITTEN.match(name)]
        assert [name.endswith(".index.json") for name in left] == ([True] if self.shard_size else [])
        assert {*os.listdir(folder), *self._ours(folder)} == {"data", *self._ours(folder)}


INDEX_BEING_WRITTEN = re.compile(r"\.o.*\.index\.json\..+\.part")
"""What a kill leaves behind, and a test of its own is about."""


def _fill(folder: Path, tree: Tree) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _read(path: Path) -> Tree:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    zstd = optional("backports.zstd", "a test")
    with zstd.ZstdFile(path) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        return {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}


STAGINGS = {
    "zip": Staging(settings=IN_PIECES),
    "tar.gz": Staging("a.tar.gz"),
    "zip-used": Staging(own=OWN),
    "tar.gz-used": Staging("a.tar.gz", own=OWN),
    "zip-in-the-root": Staging(own=OWN, is_root=True),
}
PACKINGS = {
    "zip": Packing(settings=PACKED_IN_PIECES),
    "zip-over": Packing(before=PACKED),
    "tar.zst": Packing("o.tar.zst"),
    "tar.zst-over": Packing("o.tar.zst", before=PACKED),
    "shards": Packing(shard_size=3000),
    "shards-over": Packing(shard_size=3000, before=PACKED),
    "tar-shards-over": Packing("o.tar.zst", shard_size=3000, before=PACKED),
}
SCENES: dict[str, Scene] = {
    **{f"stage-{name}": scene for name, scene in STAGINGS.items()},
    **{f"pack-{name}": scene for name, scene in PACKINGS.items()},
}


class Sweep:
    """Begins a scene anew for each fault, always at the same path, and collects what was wrong after it.

    Args:
        sweeper: Makes the calls.
        scene: What is called.
        folder: Where.
        now: The folder each call begins in, if it is not one in there.
    """

    def __init__(self, sweeper: Sweeper, scene: Scene, folder: Path, now: Path | None = None) -> None:
        self._sweeper, self.scene = sweeper, scene
        self.folder, self.template = now or folder / "now", folder / "template"
        scene.lay_out(self.template, sweeper)
        self.begin()

    def begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template, self.folder)

    def run(self, fault: Fault | None = None, scene: Scene | None = None) -> Run:
        scene = scene or self.scene
        return self._sweeper.run(scene.call, scene.arguments(self.folder), fault, {**SMALL, **scene.settings})

    def discard(self, fault: Fault | None = None) -> Run:
        return self._sweeper.run(DISCARD, {"directory": str(self.folder / "out"), "root": None}, fault)

    def over(
        self,
        how: str,
        judge: Callable[[Run], None],
        *,
        lasting: bool = False,
        step: int = 1,
        run: Callable[[Fault], Run] | None = None,
    ) -> None:
        """Let every change of a run go wrong in turn, as `Fault` says; ``judge`` asserts what is so afterwards."""
        wrong, points = [], 0
        for at in itertools.count(1, step):
            self.begin()
            ended = (run or self.run)(Fault(at, how, lasting))
            if not ended.hit:
                assert ended.error is None
                break
            points += 1
            try:
                judge(ended)
            except AssertionError as error:
                wrong.append(f"{at}: {ended.hit}: {error}")
        assert wrong == []
        assert points or run

    def all_changes(self) -> list[str]:
        """Return what changes a run makes."""
        changes: list[str] = []
        for at in itertools.count(1):
            self.begin()
            ended = self.run(Fault(at))
            if not ended.hit:
                break
            changes.append(ended.hit)
        return changes

    def later(self) -> None:
        """Assert that nothing is broken, and that the same call completes it."""
        self.scene.holds(self.folder, self.template)
        self.completes()

    def completes(self) -> None:
        self.scene.is_done(self.folder, self.template, self.run())

    def killed(self, run: Run) -> None:
        assert run.killed
        self.later()

    def failed(self, run: Run, *kinds: str) -> None:
        """Assert that a call told of it in words, or did without what failed."""
        if run.result:
            self.scene.is_done(self.folder, self.template, run)
        else:
            assert run.error, run
            assert run.error["kind"] in kinds, run.error
            assert SENTENCE.fullmatch(run.error["message"]), run.error["message"]
            assert SENTENCE.fullmatch(run.error["hint"]), run.error["hint"]
        self.later()


Sweeps = Callable[..., Sweep]


@pytest.fixture(scope="module")
def sweeper() -> Iterator[Sweeper]:
    sweeper = Sweeper()
    yield sweeper
    sweeper.close()


@pytest.fixture
def sweep(sweeper: Sweeper) -> Iterator[Sweeps]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield lambda scene, now=None: Sweep(sweeper, scene, Path(folder), now)


each_scene = pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)


@each_scene
def test_a_kill_before_any_change_breaks_nothing(sweep: Sweeps, scene: Scene) -> None:
    kills = sweep(scene)
    kills.over("kill", kills.killed)


@each_scene
def test_a_kill_halfway_through_any_write_breaks_nothing(sweep: Sweeps, scene: Scene) -> None:
    kills = sweep(scene)
    kills.over("tear", kills.killed)


@each_scene
@pytest.mark.parametrize("lasting", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["lasting", "once"])
def test_a_disk_that_is_full_at_any_change_is_told_and_finished_later(
    sweep: Sweeps, scene: Scene, lasting: bool
) -> None:
    faults = sweep(scene)
    faults.over("ENOSPC", lambda run: faults.failed(run, "SpaceError", "StorageError"), lasting=lasting)


@each_scene
@pytest.mark.parametrize(
    ("code", "kind", "step"),
    [
        ("EROFS", "PathError", 8),
        ("EACCES", "PathError", 11),
        pytest.param("EIO", "StorageError", 1, marks=pytest.mark.slow),
        pytest.param("EDQUOT", "StorageError", 2, marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_turns_bad_is_told_and_finished_later(
    sweep: Sweeps, scene: Scene, code: str, kind: str, step: int
) -> None:
    faults = sweep(scene)
    faults.over(code, lambda run: faults.failed(run, kind), lasting=True, step=step)


@pytest.mark.slow
@pytest.mark.parametrize("scene", [STAGINGS["zip-used"], STAGINGS["tar.gz"], PACKINGS["shards-over"]])
def test_a_kill_while_the_last_one_is_made_good_breaks_nothing(sweep: Sweeps, scene: Scene) -> None:
    kills = sweep(scene)
    for at in range(1, len(kills.all_changes()) + 1, 6):

        def twice(fault: Fault, at: int = at) -> Run:
            assert kills.run(Fault(at)).killed
            return kills.run(fault)

        kills.over("kill", kills.killed, step=3, run=twice)


@pytest.mark.slow
@pytest.mark.parametrize("own", [{}, OWN], ids=["free", "used"])
def test_a_kill_with_processes_at_work_breaks_nothing(sweep: Sweeps, own: Tree) -> None:
    kills = sweep(Staging(own=own, settings=PROCESSES))
    kills.over("kill", kills.killed)


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz"])
def test_discarding_after_a_kill_leaves_nothing(sweep: Sweeps, archive: str) -> None:
    kills = sweep(Staging(archive))

    def judge(run: Run) -> None:
        assert kills.discard().error is None
        assert set(os.listdir(kills.folder)) - {"out", "state"} == set(os.listdir(kills.template))
        kills.later()

    kills.over("kill", judge, step=3)


def _while_moving(changes: list[str]) -> list[int]:
    """Return when to kill so that some files are in place, and some are not yet."""
    moves = [at for at, change in enumerate(changes, 1) if change.startswith("replace") and "/files/" in change]
    return [moves[1], moves[-1]]


def test_a_kill_while_discarding_breaks_nothing(sweep: Sweeps) -> None:
    kills = sweep(STAGINGS["zip-used"])
    for at in _while_moving(kills.all_changes()):

        def discard(fault: Fault, at: int = at) -> Run:
            assert kills.run(Fault(at)).killed
            return kills.discard(fault)

        kills.over("kill", kills.killed, run=discard)


def test_a_kill_while_another_archive_is_begun_breaks_nothing(sweep: Sweeps) -> None:
    scene, between = STAGINGS["zip-used"], Staging("other.zip", files=OTHER)
    kills = sweep(scene)
    at = _while_moving(kills.all_changes())[0]

    def begin_another(fault: Fault) -> Run:
        assert kills.run(Fault(at)).killed
        return kills.run(fault, between)

    def judge(run: Run) -> None:
        done = kills.run()
        assert done.result, done
        found = scene.found(kills.folder)
        assert {name: found.get(name) for name in FILES} == FILES

    kills.over("kill", judge, run=begin_another)


@pytest.mark.parametrize("scene", [STAGINGS["zip"], STAGINGS["tar.gz-used"]], ids=["free", "used"])
def test_a_target_that_is_deleted_after_a_kill_is_made_again(sweep: Sweeps, scene: Staging) -> None:
    kills = sweep(scene)
    anew = replace(scene, own={})

    def judge(run: Run) -> None:
        shutil.rmtree(kills.folder / "out", ignore_errors=True)
        anew.is_done(kills.folder, kills.template, kills.run())

    kills.over("kill", judge)


@pytest.mark.parametrize("scene", [STAGINGS["zip"], PACKINGS["shards"]], ids=["receipt", "index"])
def test_a_kill_leaves_no_half_written_receipt_or_index(sweep: Sweeps, scene: Scene) -> None:
    kills = sweep(scene)

    def judge(run: Run) -> None:
        kills.run()
        kills.run()
        assert [str(path) for path in kills.folder.rglob("*.part")] == []

    kills.over("kill", judge)


@pytest.mark.parametrize("archive", ["o.zip", "o.tar.zst"])
def test_a_kill_leaves_no_shard_that_has_no_files_any_more(sweep: Sweeps, archive: str) -> None:
    kills = sweep(Packing(archive, shard_size=3000, before=A_SHARD_MORE))
    kills.over("kill", kills.killed)


def test_a_kill_while_shards_are_written_into_the_folder_itself_breaks_nothing(sweep: Sweeps) -> None:
    kills = sweep(Packing("data/o.zip", shard_size=3000))
    kills.over("kill", kills.killed)


@contextlib.contextmanager
def _mounted(folder: Path, size: int) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def _used(folder: Path) -> int:
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


@pytest.mark.parametrize(
    "scene",
    [*STAGINGS.values(), *(replace(scene, settings={}) for scene in PACKINGS.values())],
    ids=SCENES,
)
def test_a_real_disk_of_any_size_is_told_to_be_full_and_finished_later(
    sweep: Sweeps, tmp_path: Path, scene: Scene
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with _mounted(small, 64 << 20):
        kills = sweep(scene, small / "now")
        for pages in itertools.count(1, 3):
            kills.begin()
            _resize(small, _used(small) + pages * 4096)
            run = kills.run()
            _resize(small, 64 << 20)
            kills.failed(run, "SpaceError", "StorageError")
            if run.result:
                break
        assert pages > 1


def test_a_full_disk_is_said_to_be_full(sweep: Sweeps, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with _mounted(small, 64 << 20):
        kills = sweep(PACKINGS["zip"], small / "now")
        _resize(small, _used(small) + 2 * 4096)
        run = kills.run()
        assert run.error
        assert run.error["message"] == "The disk is full."


@pytest.mark.parametrize(
    ("within", "how"),
    [
        ("d1", "kill"),
        ("d0", "kill"),
        ("d1", "ENOSPC"),
    ],
)
def test_files_that_go_to_another_disk_are_whole_or_not_there(sweep: Sweeps, within: str, how: str) -> None:
    faults = sweep(STAGINGS["zip-used"])
    folder = faults.folder / "out" / within
    first = next(at for at, change in enumerate(faults.all_changes(), 1) if "/files/" in change and "replace" in change)
    for at in range(first if how == "kill" else first - 12, 1000):
        faults.begin()
        with _mounted(folder, 1 << 20):
            shutil.copytree(faults.template / "out" / within, folder, dirs_exist_ok=True)
            ended = faults.run(Fault(at, how, lasting=True))
            assert how == "kill" or [str(path) for path in folder.rglob("*.part")] == []
            assert ended.killed == (how == "kill" and bool(ended.hit))
            faults.later()
        if not ended.hit:
            break


def _in_shards(folder: Path, sweeper: Sweeper, ending: str) -> Tree:
    scene = Packing(f"o.{ending}", shard_size=1000)
    packed = sweeper.run(PACK, scene.arguments(folder)).result
    assert packed
    assert all(path.endswith(ending) for path in packed["archives"])
    held = [(name, data) for path in packed["archives"] for name, data in _read(Path(path)).items()]
    assert sorted(name for name, _ in held) == sorted(dict(held))
    return dict(held)


def test_shards_hold_every_file_while_files_come_and_go(sweeper: Sweeper, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(12):
        _fill(data, {f"{number}": random.Random(number).randbytes(900)})
        (data / f"{number - 3}").unlink(missing_ok=True)
        assert _in_shards(tmp_path, sweeper, "zip") == tree_of(data)


def test_shards_of_both_kinds_may_lie_side_by_side(sweeper: Sweeper, tmp_path: Path) -> None:
    _fill(tmp_path / "data", FILES)
    for _ in range(2):
        for ending in ("zip", "tar.zst"):
            assert _in_shards(tmp_path, sweeper, ending) == FILES
