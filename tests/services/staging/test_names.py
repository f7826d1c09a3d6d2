from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.staging.archive import Kind, Member
from colabpanel.services.staging.names import Claims, safe_parts


def _file(name: str, index: int = 0, kind: Kind = Kind.FILE) -> Member:
    return Member(number=index, name=name, kind=kind, size=0, modified=None)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b.txt", ("a", "b.txt")),
        ("./a//b.txt", ("a", "b.txt")),
        ("./", ()),
        ("a/", ("a",)),
        ("...", ("...",)),
        ("a b/\u4f60.txt", ("a b", "\u4f60.txt")),
        ("C/x", ("C", "x")),
        ("<img src=x>.txt", ("<img src=x>.txt",)),
    ],
)
def test_fine_names(name: str, parts: tuple[str, ...]) -> None:
    assert safe_parts(name, windows=False) == parts


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a/..", "leads out"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("C:/x", "drive letter"),
        ("c:", "drive letter"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("x" * 300, "too long"),
        ("a/" * 101 + "x", "too many folders"),
    ],
)
def test_refused_names(name: str, reason: str) -> None:
    assert reason in str(safe_parts(name, windows=False))


@pytest.mark.parametrize("name", ["con", "NUL.txt", "com1", "a?b", "trailing.", "space ", "a\\b"])
def test_windows_refuses_more(name: str) -> None:
    assert isinstance(safe_parts(name, windows=True), str)
    assert safe_parts(name, windows=False) == (name,)
    assert safe_parts("fine/name.txt", windows=True) == ("fine", "name.txt")


@given(st.text(alphabet=st.sampled_from("./\\ab:\0\n\u00e9C"), max_size=40))
def test_no_accepted_name_leaves_the_folder(name: str) -> None:
    parts = safe_parts(name, windows=False)
    if isinstance(parts, str):
        return
    root = Path("/nowhere/root")
    landed = Path(os.path.normpath(root.joinpath(*parts)))
    assert landed == root or root in landed.parents


def test_a_name_is_given_once_case_folded_where_the_disk_folds() -> None:
    claims = Claims(depth=10, folds_case=True)
    assert claims.claim(_file("A/x")) == ("A", "x")
    assert "upper and lower" in str(claims.claim(_file("A/X")))
    assert "upper and lower" in str(claims.claim(_file("a/y")))
    assert claims.claim(_file("A/x")) == ("A", "x")
    exact = Claims(depth=10, folds_case=False)
    assert exact.claim(_file("A/x")) == ("A", "x")
    assert exact.claim(_file("A/X")) == ("A", "X")


def test_a_name_is_a_file_or_a_folder_but_not_both() -> None:
    claims = Claims(depth=10, folds_case=False)
    assert claims.claim(_file("a")) == ("a",)
    assert "name of its folder" in str(claims.claim(_file("a/b")))
    assert claims.claim(_file("d", kind=Kind.FOLDER)) == ("d",)
    assert "folder of the archive" in str(claims.claim(_file("d")))
    assert "name of its folder" in str(claims.claim(_file("a", kind=Kind.FOLDER)))


def test_special_members_are_named() -> None:
    claims = Claims(depth=10, folds_case=False)
    assert claims.claim(_file("l", kind=Kind.SYMLINK)) == "it is a symbolic link"
    assert claims.claim(_file("d", kind=Kind.DEVICE)) == "it is a device or pipe"
    assert claims.claim(_file("./")) == "it has no name"
    assert claims.claim(_file("./", kind=Kind.FOLDER)) == ()
    assert claims.claim(_file("../x")) == "its name leads out of the folder"


@pytest.mark.parametrize("name", ["/x", "a/../x", "a/.", "a//x", "./a/x", "a/x\n", "a/\u2028"])
def test_a_folder_that_was_fine_before_excuses_no_name(name: str) -> None:
    claims = Claims(depth=100, folds_case=False)
    for fine in ("first", "a/first"):
        claims.claim(_file(fine))
    expected = safe_parts(name) if name != "a/." else "a folder of the archive has its name"
    assert claims.claim(_file(name)) == expected
