"""Folders and archives of images: listed, filtered, shown small, checked, and decided upon."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colabpanel.errors import (
    ArchiveError,
    InputError,
    JobCancelledError,
    MissingLibraryError,
    OutsideRootError,
    PathError,
    StorageError,
)
from colabpanel.services.images import listing, members, workers
from colabpanel.services.images.cache import Kept, ThumbnailCache, key_of
from colabpanel.services.images.choices import load_choices, save_choices, save_here
from colabpanel.services.images.listing import choose_images, list_here, list_images
from colabpanel.services.images.members import Archives
from colabpanel.services.images.models import ImageFolder
from colabpanel.services.images.service import check_images, look, pixel, thumbnails
from colabpanel.services.images.worker import Answerer
from colabpanel.services.images.workers import ask, ask_all, error_of
from tests.archives import make_tar, make_zip, tree_of
from tests.fakes import RecordingProgress
from tests.image_files import SVG, data_set, file_of, hostile, photo, with_exif, write

FORMATS = ["folder", "zip", "tar", "tar.gz"]


def _packed(folder: Path, kind: str) -> Path:
    """Return the files of a folder in a folder or an archive."""
    files = tree_of(folder)
    if kind == "folder":
        return folder
    path = folder.with_name(f"{folder.name}.{kind}")
    return make_zip(path, files) if kind == "zip" else make_tar(path, files, mode="w:gz" if "gz" in kind else "w")


@pytest.mark.parametrize("kind", FORMATS)
def test_images_are_listed_by_class(tmp_path: Path, kind: str) -> None:
    folder = write(data_set(tmp_path / "set"), {"notes.txt": b"x", "__MACOSX/a.jpg": b"x" if kind == "folder" else b""})
    found = list_images(_packed(folder, kind))
    names = [name for name in found.names if not name.startswith("__")]
    assert names == [f"class{number}/{index}.jpg" for number in range(2) for index in range(3)]
    assert (found.format, found.complete, found.is_archive) == (kind, True, kind != "folder")
    assert {name: count for name, count in found.classes.items() if name[0] == "c"} == {"class0": 3, "class1": 3}
    assert all(size > 100 for name, size in zip(found.names, found.sizes, strict=True) if name in names)


@pytest.mark.parametrize("kind", FORMATS)
def test_thumbnails_and_pictures_come_from_folders_and_archives(tmp_path: Path, kind: str) -> None:
    folder = list_images(_packed(data_set(tmp_path / "set"), kind))
    found = thumbnails(folder, [5, 0, 3])
    assert [one.number for one in found] == [5, 0, 3]
    assert [one.name for one in found] == ["class1/2.jpg", "class0/0.jpg", "class1/0.jpg"]
    assert all(one.data.startswith(b"RIFF") and (one.width, one.height) == (80, 60) for one in found)
    assert len({one.data for one in found}) == 3
    picture = look(folder.path, folder=folder, number=4)
    assert (picture.title, picture.width) == ("1.jpg", 80)
    assert len(pixel(folder.path, 3, 4, folder=folder, number=4)) == 3
    assert list((tmp_path / "set").iterdir())  # nothing was unpacked beside it
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"set", folder.path.name})


def test_a_page_is_made_once_and_then_kept(tmp_path: Path) -> None:
    folder = list_images(data_set(tmp_path / "set", each=10))
    first = thumbnails(folder, range(20))
    kept = sorted(Path(os.environ["COLABPANEL_STATE_DIR"]).glob("thumbnails/*/*.thumb"))
    assert len(kept) == 20
    stamps = [path.stat().st_mtime_ns for path in kept]
    for path in kept:
        os.utime(path, (1, 1))
    assert thumbnails(folder, range(20)) == first
    assert all(path.stat().st_mtime_ns > 10**9 for path in kept)  # they count as used
    assert len(stamps) == 20
    (folder.path / folder.names[0]).write_bytes(file_of(photo(90, 70), "PNG"))
    changed = thumbnails(folder, [0])
    assert (changed[0].width, changed[0].height) == (90, 70)


def test_thumbnails_are_upright_and_drawings_pass(tmp_path: Path) -> None:
    folder = list_images(
        write(tmp_path, {"a.jpg": with_exif(photo(), 6), "b.svg": SVG, "c.svg": b"<svg " + bytes(30_000)})
    )
    turned, drawn, large = thumbnails(folder, range(3))
    assert (turned.width, turned.height) == (200, 300)
    assert (drawn.kind, drawn.data, drawn.width) == ("image/svg+xml", SVG, 10)
    assert large.trouble


def test_a_page_of_noise_keeps_its_budget(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(3):
        noise = Image.effect_noise((800, 800), 200)
        write(tmp_path, {f"{number}.png": file_of(noise, "PNG")})
    for one in thumbnails(list_images(tmp_path), range(3)):
        assert len(one.data) <= 24 << 10


def test_what_cannot_be_shown_says_why_on_its_tile(tmp_path: Path) -> None:
    files = {name: data for name, data in hostile().items() if not name.endswith(("eps", "pdf"))}
    folder = list_images(write(tmp_path, {**files, "fine.png": file_of(photo(), "PNG")}))
    found = {one.name: one for one in thumbnails(folder, range(len(folder.names)))}
    assert found.pop("fine.png").trouble == ""
    assert all(one.trouble.endswith(".") and not one.data for one in found.values())
    assert set(found) == set(files)


def test_choosing_among_them() -> None:
    folder = ImageFolder(
        Path("/x"), "folder", ("a/Cat.jpg", "a/dog.jpg", "b/cat.png", "top.png"), (10, 2000, 30_000, -1)
    )
    assert choose_images(folder) == [0, 1, 2, 3]
    assert choose_images(folder, in_class="a") == [0, 1]
    assert choose_images(folder, in_class=".") == [3]
    assert choose_images(folder, containing="CAT") == [0, 2]
    assert choose_images(folder, at_least=2000) == [1, 2]
    assert choose_images(folder, at_most=2000) == [0, 1]
    assert choose_images(folder, containing="cat", in_class="b", at_least=1) == [2]
    assert folder.classes == {".": 1, "a": 2, "b": 1}


def test_listing_stops_at_the_most_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(tmp_path / "set")
    monkeypatch.setattr(listing, "_MOST", 4)
    progress = RecordingProgress()
    found = list_here(str(tmp_path / "set"), None, progress)
    assert (len(found["names"]), found["complete"]) == (4, False)


def test_what_cannot_be_listed(tmp_path: Path) -> None:
    write(tmp_path, {"in/a.txt": b"no archive", "out/a.png": b""})
    with pytest.raises(PathError, match="does not exist"):
        list_images(tmp_path / "missing")
    with pytest.raises(ArchiveError, match="not an archive"):
        list_images(tmp_path / "in" / "a.txt")
    with pytest.raises(OutsideRootError):
        list_images("../out", root=tmp_path / "in")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out" / "a.png")
    found = list_images(".", root=tmp_path / "in")
    assert found.names == ()
    assert found.skipped[0].member == "link.png"


def test_a_listing_that_was_made_up_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, {"in/a.png": b"", "out.png": file_of(photo(), "PNG")})
    forged = ImageFolder(tmp_path / "in", "folder", ("../out.png",), (1,))
    with pytest.raises(OutsideRootError):
        look(forged.path, folder=forged, number=0, root=tmp_path / "in")
    assert "outside the folder" in thumbnails(forged, [0], root=tmp_path / "in")[0].trouble
    with pytest.raises(InputError, match="no such image"):
        look(forged.path, folder=forged, number=7)


@pytest.mark.parametrize("kind", FORMATS)
def test_broken_ones_and_duplicates_are_found(tmp_path: Path, kind: str) -> None:
    folder = data_set(tmp_path / "set")
    fine = (folder / "class0" / "0.jpg").read_bytes()
    write(folder, {"class1/again.jpg": fine, "class1/cut.jpg": fine[:-300], "class1/empty.png": b"", "x.svg": SVG})
    found = list_images(_packed(folder, kind))
    progress = RecordingProgress()
    checked = check_images(found, progress=progress)
    assert checked.looked_at == progress.done == 10
    assert [one.member for one in checked.broken] == ["class1/cut.jpg", "class1/empty.png"]
    assert checked.duplicates == (("class0/0.jpg", "class1/again.jpg"),)
    assert check_images(found, [found.names.index("class0/1.jpg")]).broken == ()


def test_checking_can_be_cancelled(tmp_path: Path) -> None:
    folder = list_images(data_set(tmp_path / "set"))
    with pytest.raises(JobCancelledError):
        check_images(folder, progress=RecordingProgress(cancel_after=2))


def test_members_that_cannot_be_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.png": file_of(photo(), "PNG"), "b.png": b"x"})
    raw = bytearray(path.read_bytes())
    raw[200] ^= 255
    path.write_bytes(raw)
    archives = Archives()
    with pytest.raises(InputError, match="damaged"):
        archives.member(path, 0)
    with pytest.raises(InputError, match="no such member"):
        archives.member(path, 9)
    assert archives.member(path, 1) == b"x"
    tar = make_tar(tmp_path / "a.tar", {"a.png": b"1", "b.png": b"2"})
    assert [archives.member(tar, number) for number in (1, 0, 1)] == [b"2", b"1", b"2"]
    with pytest.raises(InputError, match="ends before"):
        archives.member(tar, 5)
    archives.close()


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.png": b"secret"})
    raw = bytearray(path.read_bytes())
    for head, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(head) + flags] |= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="encrypted"):
        Archives().member(path, 0)


def test_choices_are_saved_and_come_back(tmp_path: Path) -> None:
    made = {'a,"b".jpg': "keep", "c/\u00e4.jpg": "reject"}
    place = save_choices(tmp_path / "list.csv", made)  # type: ignore[arg-type]
    assert place.read_text(encoding="utf-8").splitlines() == [
        "image,choice",
        '"a,""b"".jpg",keep',
        "c/\u00e4.jpg,reject",
    ]
    assert load_choices(place) == made
    assert save_choices(place, {}) == place
    assert load_choices(place) == {}


def test_a_list_replaces_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, {"work.csv": b"my,own\n", "in/x": b""})
    for bad in (tmp_path / "work.csv", tmp_path / "in", tmp_path / "missing" / "list.csv"):
        with pytest.raises(PathError):
            save_choices(bad, {"a": "keep"})
    with pytest.raises(OutsideRootError):
        save_choices("../list.csv", {"a": "keep"}, root=tmp_path / "in")
    with pytest.raises(InputError, match="cannot be chosen as 'maybe'"):
        save_choices(tmp_path / "new.csv", {"a": "maybe"})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="no list"):
        load_choices(tmp_path / "work.csv")
    with pytest.raises(PathError, match="does not exist"):
        load_choices(tmp_path / "missing.csv")
    assert (tmp_path / "work.csv").read_bytes() == b"my,own\n"


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), max_size=5, unique=True))
def test_any_name_survives_the_list(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    from colabpanel.progress import Progress
    from colabpanel.services.images.choices import load_here

    names = [name.encode("utf-8", "replace").decode() for name in names]
    path = str(tmp_path_factory.mktemp("lists") / "list.csv")
    made = dict.fromkeys(names, "keep")
    save_here(path, made, None, Progress())
    assert load_here(path, None, Progress()) == made


def test_the_cache_forgets_the_least_used(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path / "cache")
    for number in range(10):
        key = key_of(number)
        cache.put(key, Kept(1, 2, bytes(1000)))
        os.utime(cache._path(key), (number, number))
    assert cache.prune(20_000) == 10_160
    assert cache.prune(5_000) <= 4_064
    assert cache.get(key_of(0)) is None
    assert cache.get(key_of(9)) == Kept(1, 2, bytes(1000))
    cache._path(key_of(9)).write_bytes(b"x" * 100)
    assert cache.get(key_of(9)) is None
    cache._path(key_of(9)).write_bytes(b"x")
    assert cache.get(key_of(9)) is None


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": file_of(photo(), "PNG"), "file": b""})
    request = {
        "task": "thumbnail",
        "path": str(tmp_path / "a.png"),
        "name": "a.png",
        "root": None,
        "edge": 50,
        "most": 9999,
    }
    width, height, data, made = Answerer().answer({**request, "cache": str(tmp_path / "file")})["answer"]
    assert (width, height, made) == (300, 200, True)
    assert data.startswith(b"RIFF")


def test_only_so_many_thumbnails_are_made_between_prunings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colabpanel.services.images import service

    pruned: list[int] = []
    monkeypatch.setattr(ThumbnailCache, "prune", lambda _self, _most=0: pruned.append(1))
    monkeypatch.setattr(service, "_made", {"since pruning": service._PRUNE_EVERY - 2})
    folder = list_images(data_set(tmp_path / "set"))
    thumbnails(folder, [0])
    assert pruned == []
    thumbnails(folder, [1])
    assert pruned == [1]
    thumbnails(folder, [2])
    assert pruned == [1]


def _boot(code: str) -> str:
    return f"import sys; sys.path[:] = sys.argv[1:]; {code}"


def test_a_process_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_BOOT", _boot("sys.stdin.read()"))
    with pytest.raises(StorageError, match=r"slow\.png was given up after 0\.2 seconds"):
        ask({"task": "picture", "name": "slow.png"}, deadline=0.2)


def test_a_process_that_dies_costs_one_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os; from colabpanel.services.images import worker; right = worker.Answerer.answer\n"
        "def answer(self, request): return os._exit(9) if request['name'] == 'bad' else right(self, request)\n"
        "worker.Answerer.answer = answer; worker.serve()"
    )
    monkeypatch.setattr(workers, "_BOOT", _boot(code))
    data = file_of(photo(), "PNG")
    names = ["a", "bad", "c", "bad", "e"]
    requests = [{"task": "check", "name": name, "data": data} for name in names]
    answers = dict(ask_all(requests, workers=2))
    assert [("answer" in answers[number]) for number in range(5)] == [True, False, True, False, True]
    assert "the process that tried it ended" in answers[1]["trouble"]
    assert isinstance(error_of(answers[1]), InputError)


def test_asking_ends_its_processes_when_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> Any:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("subprocess.Popen", popen)
    monkeypatch.setattr(workers, "_BOOT", _boot("sys.stdin.read()"))
    with pytest.raises(JobCancelledError):
        ask({"task": "picture", "name": "a"}, progress=RecordingProgress(cancel_after=0))
    assert started[0].wait(timeout=10) != 0


def test_a_missing_library_is_raised_for_the_whole_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = list_images(data_set(tmp_path / "set"))
    hidden = "sys.modules['PIL'] = None; from colabpanel.services import optional; optional._EXTRAS['PIL'] = 'images'"
    monkeypatch.setattr(
        workers, "_BOOT", _boot(f"{hidden}; from colabpanel.services.images.worker import serve; serve()")
    )
    for call in (
        lambda: thumbnails(folder, [0]),
        lambda: check_images(folder),
        lambda: look(folder.path, folder=folder, number=0),
    ):
        with pytest.raises(MissingLibraryError) as caught:
            call()
        assert 'pip install "colabpanel[images]"' in caught.value.hint


def test_a_worker_has_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    hungry = (
        "from colabpanel.services.images import worker\n"
        "worker.Answerer.answer = lambda self, request: {'answer': self.answer_hungry()}\n"
        "def hungry(self):\n"
        "    try: bytearray(3 << 30)\n"
        "    except MemoryError: return 'refused'\n"
        "    return 'given'\n"
        "worker.Answerer.answer_hungry = hungry\nworker.serve()"
    )
    monkeypatch.setattr(workers, "_BOOT", f"import sys\nsys.path[:] = sys.argv[1:]\n{hungry}")
    assert ask({"task": "any", "name": "a"}) == "refused"


def test_requests_are_answered_in_any_process(tmp_path: Path) -> None:
    files = {"a.jpg": with_exif(photo(), 8), "b.svg": SVG, "cut.jpg": file_of(photo(), "JPEG")[:900], "d.png": b""}
    write(tmp_path / "set", files)
    path = make_zip(tmp_path / "set.zip", files)
    answerer = Answerer()
    common = {"root": None, "edge": 60, "most": 9999, "cache": str(tmp_path / "cache"), "frame": 0, "x": 1, "y": 2}
    for number, name in enumerate(files):
        places = {"path": str(tmp_path / "set" / name)}, {"path": str(path), "member": number}
        for task in ("thumbnail", "check", "pixel", "picture"):
            one, other = (answerer.answer({**common, **place, "task": task, "name": name}) for place in places)
            assert ("answer" in one) == ("answer" in other)
            if task in {"check", "pixel"}:
                assert one == other
    kept = answerer.answer({**common, "path": str(path), "member": 0, "task": "thumbnail", "name": "a.jpg"})["answer"]
    assert kept[:2] == (200, 300)
    assert kept[3] is False
    folder = answerer.answer({**common, "path": str(tmp_path), "task": "check", "name": "x"})
    assert "is a folder" in folder["trouble"]


def test_a_member_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_MOST_BYTES", 10)
    with pytest.raises(InputError, match="larger than 10 bytes"):
        Archives().member(make_zip(tmp_path / "a.zip", {"a.png": bytes(100)}), 0)


def test_odd_failures_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.png": file_of(photo(), "PNG")})
    request = {"task": "picture", "path": str(tmp_path / "a.png"), "name": "a.png", "root": None, "frame": 0}
    for error, words in (
        (MemoryError(), "takes more memory"),
        (OSError(5, "x"), "cannot be read (Input/output error)"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ):

        def fails(*_: Any, error: BaseException = error) -> Any:
            raise error

        monkeypatch.setattr(Answerer, "_opened", fails)
        assert words in Answerer().answer(request)["trouble"]
