"""A remote in the browser of files."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import (
    HostError,
    InputError,
    JobBusyError,
    JobCancelledError,
    OutsideRootError,
    PathError,
    StorageError,
)
from colabpanel.progress import Progress
from colabpanel.services.browsing import remote_place
from colabpanel.services.browsing.models import Query, SortKey
from colabpanel.services.browsing.places import Place
from colabpanel.services.browsing.remote_place import RemotePlace
from colabpanel.services.remotes import service
from colabpanel.services.remotes.addresses import RemoteAddress
from colabpanel.services.remotes.models import Carried, GotFile, PutFile, RemoteEntry, RemoteQuota
from colabpanel.services.remotes.permission import VARIABLE, insist_on_permission
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.spec import SourceSpec
from tests.archives import tree_of, write_tree
from tests.fakes import FakeHost


@dataclass
class FolderStore:
    """A remote made of a folder: the edge at which rclone and Drive stand."""

    folder: Path
    trouble: dict[str, Exception] = field(default_factory=dict)
    listed: int = 0
    closed: int = 0

    def close(self) -> None:
        self.closed += 1

    def _check(self, path: str) -> Path:
        if path in self.trouble:
            raise self.trouble[path]
        return self.folder / path

    def _entry(self, path: Path) -> RemoteEntry:
        status, address = path.stat(), f"far:{path.relative_to(self.folder)}"
        is_folder = path.is_dir()
        return RemoteEntry(path.name, address, is_folder, None if is_folder else status.st_size, status.st_mtime)

    def entries(self, path: str, progress: Progress) -> Sequence[RemoteEntry]:
        self.listed += 1
        if not self._check(path).is_dir():
            raise PathError(f"far:{path} does not exist.")
        return [self._entry(one) for one in self._check(path).iterdir()]

    def find(self, path: str, progress: Progress) -> RemoteEntry | None:
        return self._entry(self.folder / path) if (self.folder / path).exists() else None

    def quota(self, progress: Progress) -> RemoteQuota:
        return RemoteQuota("far:")

    def put(self, file: Path, path: str, progress: Progress, *, overwrite: bool) -> PutFile:
        goal = self._check(path)
        assert overwrite or not goal.exists()
        goal.write_bytes(file.read_bytes())
        return PutFile(f"far:{path}", goal.stat().st_size, "size")

    def get(self, path: str, target: Path, progress: Progress) -> GotFile:
        target.write_bytes(self._check(path).read_bytes())
        return GotFile(str(target), target.stat().st_size, "size")

    def get_folder(self, path: str, target: Path, progress: Progress) -> Carried:
        files = tree_of(self._check(path))
        write_tree(target, files)
        skipped = (Skipped("letter", "no bytes"),) if "letters" in path else ()
        return Carried(len(files), sum(map(len, files.values())), skipped)

    def put_folder(self, folder: Path, path: str, progress: Progress) -> Carried:
        files = tree_of(folder)
        write_tree(self._check(path), files)
        return Carried(len(files), sum(map(len, files.values())))

    def measure(self, path: str, progress: Progress) -> Carried:
        files = tree_of(self._check(path))
        return Carried(len(files), sum(map(len, files.values())))

    def make_folder(self, path: str, progress: Progress) -> None:
        self._check(path).mkdir()

    def source(self, path: str, progress: Progress) -> SourceSpec:
        raise NotImplementedError

    def link(self, path: str, progress: Progress) -> str:
        raise NotImplementedError


def _opened(store: FolderStore, name: str, host: FakeHost, *, writing: bool = False) -> FolderStore:
    insist_on_permission(name, is_served=host.is_served, writing=writing)
    return store


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    store = FolderStore(tmp_path / "far")
    write_tree(store.folder, {"b.txt": b"12", "a.zip": b"1", "d/x": b"123", "d/e/y": b"4"})
    for module in (remote_place, service):
        monkeypatch.setattr(module, "opened_store", partial(_opened, store))
    (tmp_path / "here").mkdir()
    return store


@pytest.fixture
def place(host: FakeHost) -> RemotePlace:
    return RemotePlace("far", host)


@pytest.fixture
def here(far: FolderStore) -> Path:
    return far.folder.parent / "here"


def _as_place(place: RemotePlace) -> Place:
    return place


def test_it_is_a_place(place: RemotePlace, host: FakeHost) -> None:
    assert (_as_place(place).title, place.start, place.is_local) == ("far:", "far:", False)
    assert place.operations == {"to_disk", "from_disk", "make_folder", "measure"}
    assert RemotePlace("drive", host).title == "drive:"
    host.google_token = lambda: "t"
    assert RemotePlace("drive", host).title == "Drive, by its API"


def test_pages(far: FolderStore, place: RemotePlace) -> None:
    page = place.page("", Query(page_size=2))
    assert [entry.name for entry in page.entries] == ["d", "a.zip"]
    assert (page.address, page.parent, page.pages, page.matching, page.total, page.folders) == (
        "far:",
        None,
        2,
        3,
        3,
        1,
    )
    more = place.page("far:", Query(page=1, page_size=2), earlier=page)
    assert [(entry.name, entry.size, entry.kind) for entry in more.entries] == [("b.txt", 2, "file")]
    largest = place.page("far:", Query(sort="size", descending=True), earlier=page)
    assert [entry.name for entry in largest.entries] == ["b.txt", "a.zip", "d"]
    assert far.listed == 1
    assert far.closed == 1
    inner = place.page("far:d/e", Query())
    assert [crumb.address for crumb in inner.crumbs] == ["far:", "far:d", "far:d/e"]
    assert [crumb.title for crumb in inner.crumbs] == ["far:", "d", "e"]
    assert inner.parent == "far:d"
    with pytest.raises(InputError, match="cannot have 0 entries"):
        place.page("far:", Query(page_size=0), earlier=page)
    with pytest.raises(PathError, match="is not on far:"):
        place.page("other:x", Query())


@given(
    sizes=st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=30),
    sort=st.sampled_from(["name", "size", "modified", "kind"]),
    descending=st.booleans(),
    page_size=st.integers(1, 7),
)
def test_pages_are_the_whole_folder(sizes: list[int | None], sort: SortKey, descending: bool, page_size: int) -> None:
    entries = tuple(
        RemoteEntry(f"{number}.x", f"far:{number}.x", size is None, size, size) for number, size in enumerate(sizes)
    )
    kept = remote_place._kept(RemoteAddress("far", ""), entries)
    first = remote_place._page(kept, Query(sort=sort, descending=descending, page_size=page_size))
    found = [
        entry.name
        for number in range(first.pages)
        for entry in remote_place._page(kept, Query(sort, descending, "", number, page_size)).entries
    ]
    assert sorted(found) == sorted(entry.name for entry in entries)


def test_entries_are_brought_here(far: FolderStore, place: RemotePlace, here: Path) -> None:
    done = place.to_disk(["far:d", "far:b.txt"], here)
    assert (done.status, done.entries, done.files, done.size) == ("ok", 2, 3, 6)
    assert tree_of(here) == {"d/x": b"123", "d/e/y": b"4", "b.txt": b"12"}
    assert done.made == (str(here / "d"), str(here / "b.txt"))
    assert place.to_disk(["far:b.txt"], here).taken == ("b.txt",)
    assert place.to_disk(["far:b.txt", "far:d"], here, overwrite="rename").made == (
        str(here / "b (2).txt"),
        str(here / "d (2)"),
    )
    write_tree(here, {"b.txt": b"old", "d/old": b"stays"})
    assert place.to_disk(["far:b.txt", "far:d"], here, overwrite="replace").status == "ok"
    assert tree_of(here)["b.txt"] == b"12"
    assert tree_of(here)["d/old"] == b"stays"


def test_what_a_kill_left_is_not_mixed_in(far: FolderStore, place: RemotePlace, here: Path) -> None:
    write_tree(here, {f".{zlib.crc32(b'd'):08x}.remote.colabpanel-part/made/stale": b"x"})
    place.to_disk(["far:d"], here)
    assert tree_of(here) == {"d/x": b"123", "d/e/y": b"4"}


def test_two_of_one_name_are_asked_about(far: FolderStore, place: RemotePlace, here: Path) -> None:
    write_tree(far.folder, {"d/b.txt": b"another"})
    done = place.to_disk(["far:b.txt", "far:d/b.txt"], here)
    assert (done.status, done.taken, tree_of(here)) == ("taken", ("b.txt",), {})
    done = place.to_disk(["far:b.txt", "far:d/b.txt"], here, overwrite="rename")
    assert (done.status, tree_of(here)) == ("ok", {"b.txt": b"12", "b (2).txt": b"another"})


@pytest.mark.parametrize("entry", ["b.txt", "d"])
def test_what_comes_to_be_there_meanwhile_stays(
    far: FolderStore, place: RemotePlace, here: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    def late(name: str) -> Callable[..., object]:
        real = getattr(FolderStore, name)

        def bring(self: FolderStore, path: str, target: Path, progress: Progress) -> object:
            write_tree(here, {"b.txt" if entry == "b.txt" else "d/x": b"mine"})
            return real(self, path, target, progress)

        return bring

    for name in ("get", "get_folder"):
        monkeypatch.setattr(FolderStore, name, late(name))
    with pytest.raises(PathError, match="of this name is there"):
        place.to_disk([f"far:{entry}"], here)
    assert list(tree_of(here).values()) == [b"mine"]


def test_a_copying_into_a_folder_is_alone(
    far: FolderStore, place: RemotePlace, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FolderStore.get_folder

    def other(self: FolderStore, path: str, target: Path, progress: Progress) -> Carried:
        with pytest.raises(JobBusyError, match="Another copying"):
            place.to_disk(["far:d"], here)
        return real(self, path, target, progress)

    monkeypatch.setattr(FolderStore, "get_folder", other)
    assert place.to_disk(["far:d"], here).status == "ok"
    assert tree_of(here) == {"d/x": b"123", "d/e/y": b"4"}


def test_links_in_a_folder_that_is_added_to_are_not_followed(
    far: FolderStore, place: RemotePlace, here: Path, tmp_path: Path
) -> None:
    write_tree(tmp_path / "outside", {"y": b"mine"})
    (here / "d").mkdir()
    (here / "d/e").symlink_to(tmp_path / "outside")
    done = place.to_disk(["far:d"], here, overwrite="replace")
    assert (done.status, done.files, done.size) == ("partial", 1, 3)
    assert [one.member for one in done.skipped] == ["d/e", "d/e/y"]
    assert tree_of(tmp_path / "outside") == {"y": b"mine"}
    assert (here / "d/x").read_bytes() == b"123"


def test_what_stands_in_the_way_stays(far: FolderStore, place: RemotePlace, here: Path) -> None:
    (here / "d").write_bytes(b"a file")
    (here / "b.txt").mkdir()
    done = place.to_disk(["far:d", "far:b.txt", "far:a.zip"], here, overwrite="replace")
    assert (done.status, done.entries) == ("partial", 1)
    assert [one.member for one in done.skipped] == ["d", "b.txt"]
    assert tree_of(here) == {"d": b"a file", "a.zip": b"1"}
    with pytest.raises(PathError, match="is no folder"):
        place.to_disk(["far:d"], here / "none")
    with pytest.raises(InputError, match="Nothing is chosen"):
        place.to_disk([], here)
    with pytest.raises(PathError, match="does not exist any more"):
        place.to_disk(["far:gone"], here)


def test_partial_is_partial(far: FolderStore, place: RemotePlace, here: Path) -> None:
    write_tree(far.folder, {"letters/a": b"a"})
    done = place.to_disk(["far:letters"], here)
    assert (done.status, done.entries, done.files) == ("partial", 0, 1)
    assert done.skipped == (Skipped("letters/letter", "no bytes"),)
    far.trouble["a.zip"] = StorageError("It broke.")
    done = place.to_disk(["far:a.zip", "far:b.txt"], here)
    assert done.skipped == (Skipped("a.zip", "It broke."),)
    with pytest.raises(StorageError, match="It broke"):
        place.to_disk(["far:a.zip"], here)
    far.trouble["a.zip"] = JobCancelledError()
    with pytest.raises(JobCancelledError):
        place.to_disk(["far:a.zip", "far:b.txt"], here, overwrite="replace")
    assert not list(here.glob(".*"))


def test_entries_are_taken_there(far: FolderStore, place: RemotePlace, here: Path) -> None:
    write_tree(here, {"new/er/z": b"zz", "b.txt": b"newer", "b (2).txt": b"2"})
    done = place.from_disk([here / "new"], "far:d")
    assert (done.status, done.files, done.made) == ("ok", 1, ("far:d/new",))
    assert place.from_disk([here / "b.txt"], "far:").taken == ("b.txt",)
    assert (far.folder / "b.txt").read_bytes() == b"12"
    renamed = place.from_disk([here / "b.txt", here / "b (2).txt"], "far:", overwrite="rename")
    assert renamed.made == ("far:b (2).txt", "far:b (2) (2).txt")
    assert place.from_disk([here / "b.txt"], "far:", overwrite="replace").status == "ok"
    assert (far.folder / "b.txt").read_bytes() == b"newer"


def test_folders_are_made_and_measured(far: FolderStore, place: RemotePlace) -> None:
    assert place.make_folder("far:d", " new ") == "far:d/new"
    assert (far.folder / "d/new").is_dir()
    with pytest.raises(PathError, match="is there already"):
        place.make_folder("far:d", "new")
    with pytest.raises(PathError, match="hold a slash"):
        place.make_folder("far:d", "a/b")
    found = place.measure("far:d")
    assert (found.files, found.size, found.complete) == (2, 4, True)


def test_nothing_is_changed_on_it_otherwise(far: FolderStore, place: RemotePlace) -> None:
    calls: list[Callable[[], object]] = [
        lambda: place.copy(["far:b.txt"], "far:d"),
        lambda: place.move(["far:b.txt"], "far:d"),
        lambda: place.rename("far:b.txt", "c"),
        lambda: place.delete(["far:b.txt"]),
        lambda: place.zip("far:", ["b.txt"], "x"),
    ]
    for call in calls:
        with pytest.raises(HostError, match="is not done on far:"):
            call()


def test_in_a_dashboard(far: FolderStore, here: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.root, host.is_served = here, True
    place = RemotePlace("far", host)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(InputError, match="may not use"):
        place.page("far:", Query())
    with pytest.raises(InputError, match="may not use"):
        place.to_disk(["far:b.txt"], here)
    monkeypatch.setenv(VARIABLE, "far")
    assert place.operations == {"to_disk", "measure"}
    assert place.to_disk(["far:b.txt"], here).status == "ok"
    with pytest.raises(OutsideRootError):
        place.to_disk(["far:b.txt"], here.parent)
    with pytest.raises(InputError, match="may only read"):
        place.make_folder("far:", "x")
    with pytest.raises(InputError, match="may only read"):
        place.from_disk([here / "b.txt"], "far:d")
    with pytest.raises(HostError, match="replaces nothing"):
        place.to_disk(["far:b.txt"], here, overwrite="replace")
    monkeypatch.setenv(VARIABLE, "far:rw")
    assert place.from_disk([here / "b.txt"], "far:d").status == "ok"
    with pytest.raises(OutsideRootError):
        place.from_disk([far.folder / "a.zip"], "far:d")
    assert sorted(os.listdir(far.folder / "d")) == ["b.txt", "e", "x"]
