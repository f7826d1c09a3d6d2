"""Pages and pointers that come instead of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import InputError
from colabpanel.services.web import stand_ins
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.stand_ins import insist_on_file, is_stand_in
from tests.http_faults import FaultyServer
from tests.services.fetching.conftest import fetch_here

DRIVE = "https://drive.usercontent.google.com/download?id=1A&export=download&confirm=t"
FORM = b"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<p>Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="%s" method="get">
<input type="hidden" name="id" value="1A"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="u-1"></form>"""
QUOTA = (
    b"<html><head><title>Google Drive - Quota exceeded</title></head><body><p>Sorry, you can&#39;t view or download "
    b"this file at this time.</p><p>Too many users have viewed or downloaded this file recently.</p></body></html>"
)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


@pytest.mark.parametrize(
    ("start", "kind", "name", "is_one"),
    [
        (b"<!DOCTYPE html><html>", "application/octet-stream", "model.pth", True),
        (b"\xef\xbb\xbf \n<HTML lang=en>", "", "model.pth", True),
        (b"<!-- hello --><html>", "", "model.pth", True),
        (b"<div>sorry</div>", "text/html; charset=utf-8", "data.zip", True),
        (b"PK\x03\x04", "text/html", "data.zip", False),  # servers that do not know better
        (b"a,b\n1,2\n", "text/html", "data.csv", False),
        (b"<!DOCTYPE html><html>", "text/html", "page.html", False),
        (b"<svg xmlns=", "image/svg+xml", "x.svg", False),
        (b"<?xml version='1.0'?><note>", "text/xml", "x.xml", False),
        (POINTER, "text/plain", "model.pth", True),
        (b"", "", "empty", False),
    ],
)
def test_a_page_is_told_from_a_file(start: bytes, kind: str, name: str, is_one: bool) -> None:
    assert is_stand_in(start, kind, name) == is_one


@pytest.mark.parametrize(
    ("page", "url", "words"),
    [
        (QUOTA, DRIVE, "too many people"),
        (b"<html><title>Sign in</title>", "https://accounts.google.com/v3/x", "page to sign in"),
        (b"<html><title>GitHub</title>", "https://github.com/login?return_to=x", "page to sign in"),
        (b"<html><title>A &amp;\n  B</title>", "https://a.org/x", r"a web page \(A & B\), not to a file"),
        (b"<html><title>" + b"x" * 200, "https://a.org/x", r"a web page \(x{80}\.\.\.\)"),
        (b"<html>", "https://a.org/x", "a web page, not to a file"),
        (FORM % b"https://evil.org/x", DRIVE, "Virus scan warning"),
        (POINTER, "https://gitlab.com/x", "pointer of Git LFS"),
    ],
)
def test_what_leads_to_no_file_is_named(page: bytes, url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        insist_on_file(page, parse(url))
    assert caught.value.hint


def test_the_page_that_warns_of_viruses_leads_to_the_file() -> None:
    page = FORM % b"https://drive.usercontent.google.com/download"
    assert insist_on_file(page, parse(DRIVE)) == (
        "https://drive.usercontent.google.com/download?id=1A&export=download&confirm=t&uuid=u-1"
    )


def test_a_pointer_on_github_leads_to_the_file() -> None:
    assert insist_on_file(POINTER, parse("https://raw.githubusercontent.com/o/r/main/m.pth")) == (
        "https://media.githubusercontent.com/media/o/r/main/m.pth"
    )


@pytest.mark.usefixtures("small")
def test_the_way_past_a_page_is_taken(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "_DRIVE_HOSTS", {"127.0.0.1", None})
    server.serve(b"the file", "/real")
    page: dict[str, Any] = {"headers": {"Content-Type": "text/html"}, "etag": None, "modified": None}
    url = server.serve(FORM % f"{server.url}/real".encode(), "/uc.bin", **page)
    fetch_here(url, tmp_path)
    assert (tmp_path / "uc.bin").read_bytes() == b"the file"
    assert server.asked[-1].path == "/real?id=1A&export=download&confirm=t&uuid=u-1"
    server.serve(FORM % f"{server.url}/uc.bin".encode(), "/uc.bin", **page)
    with pytest.raises(InputError, match="pages instead of a file"):
        fetch_here(url, tmp_path, overwrite="always")
    assert os.listdir(tmp_path) == ["uc.bin"]


def test_a_page_that_is_asked_for_by_name_is_saved(server: FaultyServer, tmp_path: Path) -> None:
    page = b"<!doctype html><html>hello</html>"
    fetch_here(server.serve(page, "/page.html", headers={"Content-Type": "text/html"}), tmp_path)
    assert (tmp_path / "page.html").read_bytes() == page
