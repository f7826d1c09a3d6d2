"""Modules of one's own, from files, folders, archives, repositories and addresses."""

from __future__ import annotations

import base64
import errno
import importlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import ColabPanelError, HostError, InputError, JobCancelledError, OutsideRootError, PathError
from colabpanel.progress import Progress
from colabpanel.services import walk
from colabpanel.services.modules import bringing, cloning, finding
from colabpanel.services.modules.adding import add_module_path, module_paths, reload_modules, remove_module_path
from colabpanel.services.modules.remembering import forget_modules, remember, remembered_modules
from tests.archives import write_tree
from tests.fakes import FakeHost, RecordingProgress
from tests.http_faults import serving


def _write(folder: Path, tree: dict[str, str]) -> Path:
    write_tree(folder, {name: text.encode() for name, text in tree.items()})
    return folder


def test_a_file_is_imported_into_the_notebook(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path / "code", {"cp_helper.py": "VALUE = 1\n", "cp_other.py": ""})
    added = add_module_path(tmp_path / "code/cp_helper.py", host=host)
    assert (added.status, added.names, added.imported, added.conflicts) == ("ok", ("cp_helper",), ("cp_helper",), ())
    assert host.variables["cp_helper"].VALUE == 1
    assert str(tmp_path / "code") in sys.path
    assert remembered_modules(host=host) == (str(tmp_path / "code/cp_helper.py"),)
    (place,) = module_paths(host=host)
    assert [(one.name, one.changed, len(one.version)) for one in place.loaded] == [("cp_helper", False, 8)]


def test_a_folder_and_a_package(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path, {"code/cp_a.py": "", "code/cp_pkg/__init__.py": "", "code/no-name.py": "", "code/setup.py": ""})
    assert add_module_path(tmp_path / "code", import_it=False, host=host).names == ("cp_a", "cp_pkg")
    package = add_module_path(tmp_path / "code/cp_pkg", host=host)
    assert (package.entry, package.imported) == (tmp_path / "code", ("cp_pkg",))
    _write(tmp_path, {"project/src/cp_inner/__init__.py": ""})
    assert add_module_path(tmp_path / "project", import_it=["cp_inner"], host=host).names == ("cp_inner",)
    assert sys.path.count(str(tmp_path / "code")) == 1


def test_the_order_of_the_path(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {"a/cp_one.py": "", "b/random.py": "", "b/cp_two.py": ""})
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/python"])
    add_module_path(tmp_path / "a", host=host)
    assert sys.path[:2] == ["", str(tmp_path / "a")]
    added = add_module_path(tmp_path / "b", host=host)
    assert sys.path[-1] == str(tmp_path / "b")
    assert added.imported == ("cp_two",)
    assert added.conflicts == ("random is a module of Python itself, so this one is not imported; rename it.",)


def test_conflicts_are_named(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path, {"a/cp_same.py": "A = 1", "b/cp_same.py": "A = 2", "c/psutil.py": ""})
    add_module_path(tmp_path / "a", host=host)
    added = add_module_path(tmp_path / "b", host=host)
    assert added.conflicts == (f"cp_same is in {tmp_path / 'a'}, too; the one that was added last is imported.",)
    assert host.variables["cp_same"].A == 2
    added = add_module_path(tmp_path / "c", host=host)
    assert added.conflicts == ("psutil hides the installed package psutil.",)
    assert (added.status, added.imported) == ("partial", ())
    assert added.failed[0].member == "psutil"
    assert "restart the kernel to get this one" in added.failed[0].reason


def test_a_file_brings_its_folder_whose_names_count(host: FakeHost, tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"cp_one.py": "import cp_other", "cp_other.py": "V = 1", "wave.py": "V = 0"})
    added = add_module_path(folder / "cp_one.py", host=host)
    assert added.imported == ("cp_one",)
    assert added.conflicts == ("wave is a module of Python itself, so this one is not imported; rename it.",)
    assert sys.path[-1] == str(folder)
    assert [one.name for one in module_paths(host=host)[0].loaded] == ["cp_one", "cp_other"]
    assert remove_module_path(folder / "cp_one.py", host=host) == ("cp_one", "cp_other")
    (folder / "cp_other.py").write_text("V = 22")
    add_module_path(folder / "cp_one.py", host=host)
    assert host.variables["cp_one"].cp_other.V == 22


def test_modules_of_the_notebook_by_that_name_stay(host: FakeHost, tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"cp_np.py": "", "__main__.py": "1 / 0"})
    host.variables["cp_np"] = sys
    added = add_module_path(folder, host=host)
    assert (added.names, added.imported, host.variables["cp_np"]) == (("cp_np",), (), sys)
    assert added.conflicts == (
        "The notebook has the module sys as cp_np, which stays. Import this one by another name.",
    )


def test_small_files_of_packages_are_mirrored(host: FakeHost, tmp_path: Path) -> None:
    tree = {"cp_p/__init__.py": "", "cp_p/deep/page.html": "<p>", "cp_p/C.YAML": "a: 1", "photo.jpg": "x"}
    added = add_module_path(_write(tmp_path / "code", tree), mirror="always", host=host)
    assert sorted(path.name for path in added.entry.rglob("*") if path.is_file()) == [
        "C.YAML",
        "__init__.py",
        "page.html",
    ]


def test_one_that_cannot_be_imported_is_named(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path / "code", {"cp_bad.py": "1 / 0\n", "cp_good.py": ""})
    added = add_module_path(tmp_path / "code", host=host)
    assert (added.status, added.imported) == ("partial", ("cp_good",))
    assert added.failed[0] == ("cp_bad", "ZeroDivisionError: division by zero")


def test_bad_input(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path, {"no.txt": "", "empty/a.txt": "", "my-pkg/__init__.py": "", "ok/cp_ok.py": ""})
    for path, error in (("no.txt", "is no module"), ("empty", "can be imported"), ("my-pkg", "cannot be imported")):
        with pytest.raises(InputError, match=error):
            add_module_path(tmp_path / path, host=host)
    with pytest.raises(PathError, match="does not exist"):
        add_module_path(tmp_path / "none", host=host)
    with pytest.raises(InputError, match="no module cp_x"):
        add_module_path(tmp_path / "ok", import_it=["cp_x"], host=host)
    with pytest.raises(InputError, match="no way 'often'"):
        add_module_path(tmp_path / "ok", mirror="often", host=host)
    host.root = tmp_path / "ok"
    with pytest.raises(OutsideRootError):
        add_module_path(tmp_path / "empty", host=host)
    host.is_served = True
    for call in (lambda: add_module_path(tmp_path / "ok", host=host), lambda: reload_modules(host=host)):
        with pytest.raises(HostError, match="runs no code"):
            call()


def test_a_relative_path_is_remembered_whole(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {"code/cp_here.py": ""})
    monkeypatch.chdir(tmp_path)
    add_module_path("code", host=host)
    assert remembered_modules(host=host) == (str(tmp_path / "code"),)
    assert remove_module_path(Path("code"), host=host) == ("cp_here",)


def test_removing_undoes_it(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path / "code", {"cp_gone/__init__.py": "", "cp_gone/sub.py": ""})
    add_module_path(tmp_path / "code", host=host)
    __import__("cp_gone.sub")
    assert remove_module_path(tmp_path / "code", host=host) == ("cp_gone", "cp_gone.sub")
    assert str(tmp_path / "code") not in sys.path
    assert "cp_gone" not in sys.modules
    assert "cp_gone" in host.variables
    assert remembered_modules(host=host) == ()
    with pytest.raises(InputError, match="was not added"):
        remove_module_path(tmp_path / "code", host=host)


def test_adding_again_takes_what_is_new(host: FakeHost, tmp_path: Path) -> None:
    _write(tmp_path / "code", {"cp_again.py": "VALUE = 1\n"})
    add_module_path(tmp_path / "code", host=host)
    _write(tmp_path / "code", {"cp_again.py": "VALUE = 22\n"})
    assert add_module_path(tmp_path / "code", host=host).status == "ok"
    assert host.variables["cp_again"].VALUE == 22
    remove_module_path(tmp_path / "code", host=host)
    _write(tmp_path / "code", {"cp_again.py": "VALUE = 333\n"})
    add_module_path(tmp_path / "code", host=host)
    assert host.variables["cp_again"].VALUE == 333
    assert [one.changed for one in module_paths(host=host)[0].loaded] == [False]


def test_no_login_is_remembered(host: FakeHost) -> None:
    remember(host, "https://me:secret@example.org/p@main.zip")
    remember(host, "https://token@example.org/p@main.zip")
    remember(host, "/content/a@b://c")
    assert remembered_modules(host=host) == ("/content/a@b://c", "https://example.org/p@main.zip")
    forget_modules("https://token@example.org/p@main.zip", host=host)
    assert remembered_modules(host=host) == ("/content/a@b://c",)


def test_what_is_remembered_survives_damage(host: FakeHost) -> None:
    (host.state_dir / "modules.json").write_text('{"a": 1')
    assert remembered_modules(host=host) == ()
    (host.state_dir / "modules.json").write_text('["a", 1]')
    assert remembered_modules(host=host) == ("a",)
    forget_modules("b", host=host)
    assert remembered_modules(host=host) == ("a",)


@pytest.mark.parametrize("name", ["cp_zip.zip", "cp_zip-1.0-py3-none-any.whl"])
def test_an_archive_is_unpacked_first(host: FakeHost, tmp_path: Path, name: str) -> None:
    inside = "" if name.endswith("whl") else "user-repo-1a2b/"
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr(f"{inside}cp_zip/__init__.py", "from cp_zip.inner import VALUE")
        archive.writestr(f"{inside}cp_zip/inner.py", "VALUE = 3")
        archive.writestr("cp_zip-1.0.dist-info/METADATA", "")
    added = add_module_path(tmp_path / name, host=host)
    assert added.imported == ("cp_zip",)
    assert host.variables["cp_zip"].VALUE == 3
    assert host.state_dir in added.entry.parents


def test_a_file_behind_an_address(host: FakeHost) -> None:
    with serving() as server:
        url = server.serve(b"VALUE = 4\n", "/cp_far.py")
        assert add_module_path(url, host=host).imported == ("cp_far",)
    assert host.variables["cp_far"].VALUE == 4


def _git(folder: Path, *arguments: str) -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | who)


def test_a_git_repository(host: FakeHost, tmp_path: Path) -> None:
    repository = _write(tmp_path / "repo", {"cp_git.py": "VALUE = 1\n"})
    _git(repository, "init", "-b", "main")
    _git(repository, "add", ".")
    _git(repository, "commit", "-m", "one")
    _git(repository, "tag", "v1")
    _write(repository, {"cp_git.py": "VALUE = 2\n"})
    _git(repository, "commit", "-am", "two")
    added = add_module_path(f"git+file://{repository}@v1", host=host)
    assert host.variables["cp_git"].VALUE == 1
    assert host.state_dir in added.entry.parents
    with pytest.raises(ColabPanelError, match="git could not clone it"):
        add_module_path(f"git+file://{repository}@none", host=host)
    with pytest.raises(InputError, match="no address of modules"):
        add_module_path("file:///etc/passwd", host=host)
    with pytest.raises(JobCancelledError):
        add_module_path(f"git+file://{repository}", host=host, progress=RecordingProgress(cancel_after=0))


def test_git_that_is_missing_or_hangs(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InputError, match="git is not installed"):
        add_module_path("https://github.com/a/b", host=host)
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(slow))
    monkeypatch.setattr(cloning, "_SECONDS", 0.2)
    with pytest.raises(ColabPanelError, match="did not end in time"):
        add_module_path("https://github.com/a/b", host=host)
    with pytest.raises(InputError, match="no address of a repository"):
        add_module_path("https://github.com/a/b.git@--upload-pack=x", host=host)


def test_code_on_drive_is_imported_from_a_copy_that_is_kept_up_to_date(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = _write(tmp_path / "drive", {"cp_drive.py": "VALUE = 1\n", "data.bin": "x", "sub/cp_deep.py": ""})
    (drive / "large.json").write_bytes(b"x" * (11 << 20))
    monkeypatch.setattr(bringing, "is_remote", lambda _: True)
    added = add_module_path(drive, import_it=["cp_drive"], host=host)
    assert host.state_dir in added.entry.parents
    assert added.skipped[0] == ("large.json", "it is too large")
    assert sorted(path.name for path in added.entry.iterdir()) == ["cp_drive.py", "sub"]
    reloader = reload_modules(host=host)
    (drive / "cp_drive.py").write_text("VALUE = 22\n")
    (drive / "sub/cp_deep.py").unlink()
    started, _ = host.watchers[0]
    deadline = time.monotonic() + 20
    while host.variables["cp_drive"].VALUE != 22 or (added.entry / "sub/cp_deep.py").exists():
        started()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert reloader.events()[0].name == "cp_drive"
    reload_modules(False, host=host)
    assert host.watchers == []
    (drive / "cp_drive.py").write_text("VALUE = 333\n")
    assert [event.name for event in reloader.look()] == ["cp_drive"]
    single = add_module_path(drive / "cp_drive.py", mirror="always", host=host)
    assert single.entry != added.entry
    drive.rename(tmp_path / "gone")
    with pytest.raises(ColabPanelError):
        reloader.look()
    assert (added.entry / "cp_drive.py").is_file()
    assert host.variables["cp_drive"].VALUE == 333


def test_copies_are_kept_of_what_cannot_be_listed(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _write(tmp_path / "code", {"a.py": "", "gone.py": "", "sub/b.py": "", "subs/c.py": ""})
    finding.copy_here(str(source), str(tmp_path / "copy"), None, Progress())
    (source / "gone.py").unlink()
    (source / "subs/c.py").unlink()
    listed = walk._entries

    def entries(folder: str) -> Any:
        if folder.endswith("/sub"):
            raise OSError(errno.EIO, "gone")
        return listed(folder)

    monkeypatch.setattr(walk, "_entries", entries)
    finding.copy_here(str(source), str(tmp_path / "copy"), None, Progress())
    left = sorted(path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.py"))
    assert left == ["a.py", "sub/b.py"]


def test_variables_of_the_notebook_stay_and_a_script_that_ends_is_named(host: FakeHost, tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"cp_model.py": "", "cp_script.py": "raise SystemExit(2)\n", "cp_z.py": ""})
    host.variables["cp_model"] = "trained"
    added = add_module_path(folder, host=host)
    assert (host.variables["cp_model"], added.imported) == ("trained", ("cp_z",))
    assert added.conflicts == ("The notebook has a variable cp_model, which stays. Import this one by another name.",)
    assert added.failed == (("cp_script", "SystemExit: 2"),)


@pytest.mark.parametrize(
    ("source", "address", "reference"),
    [
        ("https://github.com/u/r@feature/x", "https://github.com/u/r", "feature/x"),
        ("git+ssh://git@github.com/u/r.git@v1", "ssh://git@github.com/u/r.git", "v1"),
        ("https://T@github.com/u/r", "https://T@github.com/u/r", ""),
        ("git+https://u:p@host/r.git", "https://u:p@host/r.git", ""),
    ],
)
def test_what_follows_an_at_in_the_path_is_a_reference(source: str, address: str, reference: str) -> None:
    assert cloning.split_reference(source) == (address, reference)


def test_a_login_reaches_git_by_its_environment_alone(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv; env > {tmp_path}/env; echo "fatal: no" >&2; exit 1\n')
    git.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(git))
    with pytest.raises(ColabPanelError, match="could not clone it: no") as caught:
        add_module_path("https://me:SEC%20RET@github.com/u/r@dev", host=host)
    assert "SEC" not in f"{caught.value} {caught.value.hint} {(tmp_path / 'argv').read_text()}"
    assert "--branch dev -- https://github.com/u/r " in (tmp_path / "argv").read_text()
    told = (tmp_path / "env").read_text()
    assert "GIT_CONFIG_KEY_0=http.https://github.com/.extraHeader\n" in told
    assert f"Authorization: Basic {base64.b64encode(b'me:SEC RET').decode()}\n" in told


def test_a_module_that_ends_python_is_told_and_locks_nothing(host: FakeHost, tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"cp_ends.py": "V = 1"})
    add_module_path(folder, host=host)
    reloader = reload_modules(host=host)
    (folder / "cp_ends.py").write_text("import sys\nsys.exit(2)\n")
    host.watchers[0][0]()
    assert [event.error for event in reloader.events()] == ["SystemExit: 2"]
    host.watchers[0][0]()
    assert host.variables["cp_ends"].V == 1


def test_what_was_edited_while_the_importing_cell_ran_is_reloaded(host: FakeHost, tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"cp_first.py": "", "cp_later.py": "V = 1"})
    add_module_path(folder, import_it=["cp_first"], host=host)
    reload_modules(host=host)
    started, ended = host.watchers[0]
    started()
    later = importlib.import_module("cp_later")
    (folder / "cp_later.py").write_text("V = 22222")
    ended()
    assert [one.changed for one in module_paths(host=host)[0].loaded if one.name == "cp_later"] == [True]
    started()
    assert later.V == 22222


def _zip(path: Path, tree: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in tree.items():
            archive.writestr(name, text)
    return path


def test_of_an_archive_that_was_replaced_nothing_old_is_left(host: FakeHost, tmp_path: Path) -> None:
    archive = _zip(tmp_path / "code.zip", {"cp_old.py": "", "cp_plain.py": "V = 1"})
    first = add_module_path(archive, host=host)
    _zip(archive, {"cp_plain.py": "V = 22"})
    second = add_module_path(archive, host=host)
    assert (second.names, host.variables["cp_plain"].V) == (("cp_plain",), 22)
    assert str(first.entry) not in sys.path
    assert not first.entry.exists()


def test_archives_of_a_mac_of_one_package_and_wheels_with_namespaces(host: FakeHost, tmp_path: Path) -> None:
    mac = _zip(tmp_path / "mac.zip", {"proj/cp_in.py": "", "__MACOSX/proj/._cp_in.py": "", ".DS_Store": ""})
    assert add_module_path(mac, host=host).imported == ("cp_in",)
    package = _zip(tmp_path / "cp_whole.zip", {"__init__.py": "V = 1", "part.py": ""})
    assert add_module_path(package, host=host).imported == ("cp_whole",)
    wheel = _zip(
        tmp_path / "cp_f-1-py3-none-any.whl", {"cp_space/tool/__init__.py": "", "cp_f-1.dist-info/METADATA": ""}
    )
    with pytest.raises(InputError, match="can be imported"):
        add_module_path(wheel, host=host)
