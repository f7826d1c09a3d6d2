from __future__ import annotations

from email.message import Message
from http.client import HTTPMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.services.fetching.drive_folders import _named
from colabpanel.services.fetching.names import clean, name_for
from colabpanel.services.skipped import Skipped
from colabpanel.services.web.addresses import parse


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ('attachment; filename="data.zip"', "data.zip"),
        ("attachment; filename=data.zip", "data.zip"),
        ("attachment; filename=\"x.bin\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "r\u00e9sum\u00e9.pdf"),
        ('attachment; filename="../../.bashrc"', "bashrc"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\x.exe"', "x.exe"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.ipynb", "x.ipynb"),
        ('attachment; filename="r\u00c3\u00a9.zip"', "r\u00e9.zip"),  # UTF-8 sent as it is
        ('attachment; filename="con.txt"', "_con.txt"),
        ('attachment; filename="a\u202etxt.exe"', "atxt.exe"),
        ('attachment; filename=".."', "x.tar.gz"),
        ("attachment", "x.tar.gz"),
        ("nonsense;;;=", "x.tar.gz"),
        ("", "x.tar.gz"),
    ],
)
def test_the_server_names_the_file_within_reason(stated: str, name: str) -> None:
    headers = HTTPMessage()
    headers["Content-Disposition"] = stated
    assert name_for(parse("https://a/d/x.tar.gz?y=1"), parse("https://b/0123"), headers) == name


@pytest.mark.parametrize(
    ("asked", "answered", "name"),
    [
        ("https://a/file.zip", "https://b/0a1b2c", "file.zip"),
        ("https://a/download", "https://b/file.zip", "file.zip"),
        ("https://a/download", "https://b/0a1b2c", "download"),
        ("https://a/", "https://a/", "download"),
        ("https://a/%2e%2e", "https://a/", "download"),
        ("https://a/x%2Fy.zip", "https://a/", "y.zip"),
    ],
)
def test_else_the_address_does(asked: str, answered: str, name: str) -> None:
    assert name_for(parse(asked), parse(answered), HTTPMessage()) == name


def test_files_of_one_name_in_a_folder_of_drive_are_named() -> None:
    files, skipped = _named([("1", "d/a.txt"), ("2", "d/a.txt"), ("3", "a.txt")])
    assert [(one.id, one.above, one.name) for one in files] == [("1", ("d",), "a.txt"), ("3", (), "a.txt")]
    assert skipped == [Skipped("d/a.txt", "another file has the same name")]


def test_long_names_keep_their_ending() -> None:
    assert clean("\u65e5" * 200 + ".tar.gz").endswith("\u65e5.tar.gz")
    assert len(clean("\u65e5" * 200 + ".tar.gz").encode()) <= 180
    assert len(clean("a." + "b" * 400)) <= 180


@given(st.text(max_size=400))
def test_any_name_is_one_file_of_a_folder(text: str) -> None:
    name = clean(text)
    assert "/" not in name
    assert "\\" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 181
    assert name.isprintable() or name.replace("\u3000", "").strip()
    assert clean(name) == name
    message: Message = HTTPMessage()
    message["Content-Disposition"] = (
        f"attachment; filename*=UTF-8''{''.join(f'%{byte:02x}' for byte in text.encode('utf-8', 'replace'))}"
    )
    assert isinstance(message, HTTPMessage)
    assert name_for(parse("https://a/b"), parse("https://a/b"), message)
