from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import PathError
from colabpanel.services.browsing import naming
from colabpanel.services.browsing.naming import check_name, free_name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "be empty"),
        ("  ", "be empty"),
        (".", "be only dots"),
        ("..", "be only dots"),
        ("a/b", "hold a slash"),
        ("a\0b", "hold control characters"),
        ("a\nb", "hold control characters"),
        ("日" * 86, "be longer than 255 bytes"),
        ("x.colabpanel-part", "as unfinished copies do"),
    ],
)
def test_names_that_cannot_be(name: str, words: str) -> None:
    with pytest.raises(PathError, match=words):
        check_name(name)


@pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db", ".DS_Store", "~$report.docx", "x.TMP", "ends."])
def test_names_that_drive_does_not_keep(name: str) -> None:
    assert check_name(name) == name
    with pytest.raises(PathError, match="on Drive"):
        check_name(name, on_drive=True)


@given(st.text(max_size=300))
def test_a_name_that_passes_can_be_made_and_stays_one_name(name: str) -> None:
    try:
        found = check_name(name)
    except (PathError, UnicodeEncodeError):
        return
    assert os.path.basename(found) == found == name.strip()
    assert "\0" not in found
    assert 0 < len(os.fsencode(found)) <= 255


def test_free_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.tar.gz", "a (2).tar.gz", "b"):
        (tmp_path / name).touch()
    assert free_name(tmp_path, "a.tar.gz") == "a (3).tar.gz"
    assert free_name(tmp_path, "b") == "b (2)"
    assert free_name(tmp_path, ".hidden") == ".hidden (2)"
    long = free_name(tmp_path, "日" * 84 + ".jpg")
    assert long.endswith("日 (2).jpg")
    assert len(os.fsencode(long)) <= 255
    monkeypatch.setattr(naming, "_MOST_TRIED", 2)
    with pytest.raises(PathError, match="too many names"):
        free_name(tmp_path, "b")
