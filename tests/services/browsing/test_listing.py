"""Folders page by page: whole in any order, cut where the disk is slow, and never outside of the root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel.errors import InputError, OutsideRootError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services import folders, scanning
from colabpanel.services.browsing import listing, listing_here
from colabpanel.services.browsing.listing import list_page
from colabpanel.services.browsing.models import FolderPage, Query, SortKey, Whole
from colabpanel.services.browsing.ordering import chosen
from colabpanel.services.folders import list_folder
from tests.archives import write_tree
from tests.faulty_fs import faulty, why_not
from tests.slow_folders import Slow, slow_folder

needs_fuse = pytest.mark.skipif(bool(why_not()), reason=why_not() or "FUSE works here")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a child process that is slow to begin; its own budgets are what they are."""
    for module in (listing, folders):
        monkeypatch.setattr(module, "LIST_DEADLINE", 60)


TREE = {"b.txt": b"12345", "A.zip": b"1", "sub/x": b"", "notes.md": b"123", "Zeta/y": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tree(tmp_path / "folder", TREE)
    for number, name in enumerate(("notes.md", "b.txt", "A.zip", "sub", "Zeta")):
        os.utime(tmp_path / "folder" / name, (1_000_000_000 + number,) * 2)
    return tmp_path / "folder"


def _names(page: FolderPage) -> list[str]:
    return [entry.name for entry in page.entries]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query(), ["sub", "Zeta", "A.zip", "b.txt", "notes.md"]),
        (Query(descending=True), ["Zeta", "sub", "notes.md", "b.txt", "A.zip"]),
        (Query(sort="size"), ["A.zip", "notes.md", "b.txt", "sub", "Zeta"]),
        (Query(sort="size", descending=True), ["b.txt", "notes.md", "A.zip", "Zeta", "sub"]),
        (Query(sort="modified"), ["notes.md", "b.txt", "A.zip", "sub", "Zeta"]),
        (Query(sort="kind"), ["sub", "Zeta", "notes.md", "b.txt", "A.zip"]),
        (Query(containing="T"), ["Zeta", "b.txt", "notes.md"]),
        (Query(containing="*.TXT"), ["b.txt"]),
        (Query(containing="[ab]*"), ["A.zip", "b.txt"]),
        (Query(containing="nothing"), []),
        (Query(page=1, page_size=2), ["A.zip", "b.txt"]),
        (Query(page=99, page_size=2), ["notes.md"]),
    ],
)
def test_a_page_is_sorted_and_filtered(folder: Path, query: Query, names: list[str]) -> None:
    page = list_page(folder, query)
    assert _names(page) == names
    assert _names(list_page(folder, query, earlier=list_page(folder))) == names


def test_a_page_tells_what_is_known(folder: Path) -> None:
    (folder / "shortcut").symlink_to(folder / "sub")
    (folder / "to file").symlink_to("b.txt")
    (folder / "broken").symlink_to("/nowhere/at all")
    os.mkfifo(folder / "pipe")
    page = list_page(folder)
    assert (page.address, page.parent, page.trouble, page.complete) == (str(folder), str(folder.parent), "", True)
    assert (page.matching, page.total, page.folders, page.pages, page.has_trash) == (9, 9, 3, 1, False)
    assert [crumb.address for crumb in page.crumbs][:2] == ["/", "/tmp"]
    assert page.crumbs[-1].title == "folder"
    found = {entry.name: entry for entry in page.entries}
    assert _names(page)[:3] == ["shortcut", "sub", "Zeta"]  # a link to a folder stands with the folders
    assert (found["b.txt"].kind, found["b.txt"].size, found["b.txt"].modified) == ("file", 5, 1_000_000_001)
    assert (found["sub"].kind, found["sub"].size, found["sub"].is_folder) == ("folder", None, True)
    assert found["sub"].address == str(folder / "sub")
    assert (found["shortcut"].kind, found["shortcut"].is_folder) == ("link", True)
    assert found["shortcut"].target == str(folder / "sub")
    assert (found["to file"].is_folder, found["to file"].size) == (False, 5)
    assert (found["broken"].is_folder, found["broken"].size, found["broken"].modified) == (False, None, None)
    assert found["pipe"].kind == "other"


def test_an_empty_folder_and_a_file_and_odd_names(tmp_path: Path) -> None:
    assert list_page(tmp_path).entries == ()
    assert list_page(tmp_path).pages == 1
    assert list_page(tmp_path, Query(sort="size"), earlier=list_page(tmp_path)).entries == ()
    odd = [os.fsdecode(b"caf\xe9"), "<b>", "a\nb", " spaces ", "日本"]
    for name in odd:
        (tmp_path / name).touch()
    assert sorted(_names(list_page(tmp_path / "<b>"))) == sorted(odd)


def test_the_root_is_the_top(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678")
    (folder / "way out").symlink_to(secret)
    page = list_page(".", root=folder)
    assert (page.parent, [crumb.title for crumb in page.crumbs]) == (None, ["folder"])
    way_out = next(entry for entry in page.entries if entry.name == "way out")
    assert (way_out.size, way_out.modified, way_out.is_folder) == (None, None, False)
    assert list_page("sub", root=folder).parent == str(folder)
    for outside in ("..", tmp_path, "/"):
        with pytest.raises(OutsideRootError):
            list_page(outside, root=folder)
    with pytest.raises(OutsideRootError):  # the page before is no way around it
        list_page(tmp_path, earlier=list_page(tmp_path), root=folder)


def test_what_cannot_be_listed_is_said(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="does not exist"):
        list_page(tmp_path / "none")
    with pytest.raises(InputError, match="cannot have 0 entries"):
        list_page(tmp_path, Query(page_size=0))


def test_sorting_by_size_later_reads_again(folder: Path) -> None:
    first = list_page(folder)
    (folder / "huge").write_bytes(b"x" * 99)
    assert "huge" not in _names(list_page(folder, earlier=first))
    assert _names(list_page(folder, Query(sort="size", descending=True), earlier=first))[0] == "huge"


_NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
        lambda name: name not in {".", ".."} and len(name.encode()) < 200
    ),
    max_size=40,
    unique=True,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=_NAMES, sort=st.sampled_from(["name", "size", "modified", "kind"]), descending=st.booleans())
def test_pages_concatenate_to_the_whole_folder(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], sort: SortKey, descending: bool
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    for number, name in enumerate(names):
        path = folder / name
        if number % 3:
            path.write_bytes(b"x" * (number % 5))
        else:
            path.mkdir()
    query = Query(sort=sort, descending=descending, page_size=7)
    pages = [list_page(folder, query)]
    while len(pages) < pages[0].pages:
        pages.append(list_page(folder, replace(query, page=len(pages)), earlier=pages[0]))
    found = [entry for page in pages for entry in page.entries]
    assert sorted(entry.name for entry in found) == sorted(os.listdir(folder))
    whole = list_page(folder, replace(query, page_size=1000))
    assert [entry.name for entry in found] == _names(whole)
    for entry in found:
        assert entry.is_folder == (folder / entry.name).is_dir()
    if sort in {"size", "modified"}:
        known = [value for entry in found if (value := getattr(entry, sort)) is not None]
        assert known == sorted(known, reverse=descending)


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=20), st.booleans())
def test_what_is_not_known_stands_last(sizes: list[int | None], descending: bool) -> None:
    names = tuple(f"{number:02}" for number in range(len(sizes)))
    whole = Whole("/f", None, "/", has_trash=False, names=names, kinds="f" * len(names), sizes=tuple(sizes))
    found = [sizes[number] for number in chosen(whole, Query(sort="size", descending=descending))]
    known = [size for size in found if size is not None]
    assert found == sorted(known, reverse=descending) + [None] * (len(sizes) - len(known))


def test_reading_stops_at_so_many_entries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_MOST_SEEN", 3)
    found = listing_here.page_here(str(folder), None, {}, Progress())
    assert (found["complete"], found["matching"]) == (False, 3)
    assert found["trouble"] == "No more than 3 entries could be read; the folder holds more."


def test_reading_that_fails_midway_keeps_what_was_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    @contextlib.contextmanager
    def scandir(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        def read() -> Iterator[os.DirEntry[str]]:
            yield next(entries)
            raise OSError(5, "Input/output error")

        with real(path) as entries:
            yield read()

    monkeypatch.setattr(os, "scandir", scandir)
    found = listing_here.page_here(str(folder), None, {}, Progress())
    assert found["matching"] == 1
    assert found["trouble"] == "Reading stopped after 1 entry (Input/output error)."


@needs_fuse
@pytest.mark.usefixtures("patient")
def test_the_first_page_of_many_needs_no_look_at_each(tmp_path: Path) -> None:
    with slow_folder(tmp_path / "mount", Slow(files=5_000, looking=0.01)) as slow:
        page = list_page(slow.path)
        assert _names(page)[:4] == ["folder0", "folder1", "folder2", "000000.jpg"]
        assert (page.matching, page.complete, page.trouble) == (5_003, True, "")
        assert page.entries[4].size == 1
        by_size = list_page(slow.path, Query(sort="size", descending=True))
        assert by_size.trouble.endswith("entries could not be looked at in time: those stand last.")
        assert by_size.matching == 5_003


@needs_fuse
@pytest.mark.usefixtures("patient")
def test_a_disk_that_does_not_tell_kinds(tmp_path: Path) -> None:
    with slow_folder(tmp_path / "few", Slow(files=5, tells_kinds=False)) as slow:
        page = list_page(slow.path)
        assert (page.folders, page.trouble, _names(page)[0]) == (3, "", "folder0")
    with slow_folder(tmp_path / "many", Slow(files=5_000, looking=0.01, tells_kinds=False)) as slow:
        page = list_page(slow.path)
        assert page.trouble == "This disk is slow to tell folders from files, so they do not stand apart."
        assert (page.matching, page.entries[1].size, page.entries[1].kind) == (5_003, 1, "file")


@needs_fuse
@pytest.mark.usefixtures("patient")
def test_a_disk_that_hangs_midway_shows_what_it_told(tmp_path: Path) -> None:
    with slow_folder(tmp_path / "mount", Slow(files=20_000, hang_after=5_000)) as slow:
        page = list_page(slow.path)
        assert 0 < page.matching <= 5_000
        assert not page.complete
        assert page.trouble == f"No more than {page.matching:,} entries could be read; the folder holds more."
    with slow_folder(tmp_path / "other", Slow(files=20_000, hang_after=5_000)) as slow:
        listing = list_folder(slow.path, limit=10)
        assert (len(listing.entries), listing.complete) == (10, False)


@needs_fuse
@pytest.mark.usefixtures("patient")
def test_entries_that_hang_are_shown_without_their_figures(tmp_path: Path) -> None:
    with slow_folder(tmp_path / "mount", Slow(files=100, hangs=True)) as slow:
        page = list_page(slow.path)
        assert page.matching == 103
        assert {entry.size for entry in page.entries} == {None}
        assert page.trouble == "Some entries of this page could not be looked at."


@needs_fuse
@pytest.mark.parametrize("stopped", [True, False], ids=["before it is asked", "once it is asked"])
def test_a_hung_mount_costs_a_message_within_seconds(tmp_path: Path, stopped: bool) -> None:
    with slow_folder(tmp_path / "mount", Slow(files=10, hangs=True)) as slow:
        if stopped:
            slow.stop()
        with pytest.raises(StorageError, match="No answer within"):
            list_page(slow.path if stopped else slow.path / "folder0")
        # It comes while the mount still hangs: the child that cannot even be killed is not waited for.


@needs_fuse
@pytest.mark.usefixtures("patient")
def test_a_dead_mount_is_said(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with faulty(tmp_path / "real", tmp_path / "mount") as mounted:
        mounted.kill()
        with pytest.raises(StorageError, match="does not answer"):
            list_page(mounted.mount)


def test_a_drive_is_known_by_its_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    for mount, expected in ((("/content/drive", "fuse.drive"), True), (("/content/drive", "fuse"), True)):
        monkeypatch.setattr(listing_here, "mount_of", lambda _, mount=mount: mount)
        assert listing_here.on_drive(Path("/content/drive/MyDrive")) is expected
    monkeypatch.setattr(listing_here, "mount_of", lambda _: ("/", "ext4"))
    assert listing_here.on_drive(Path("/content/drive/MyDrive")) is False
