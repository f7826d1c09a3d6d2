from __future__ import annotations

from pathlib import Path

import pytest

from colabpanel.errors import InputError
from colabpanel.services.sources.addresses import is_address, name_of, shown_address, spec_of_url
from colabpanel.services.sources.spec import SourceSpec, open_source
from tests.fakes import FakeHost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a.zip", True),
        (" HTTP://host/a.zip", True),
        ("s3://bucket/a.zip", True),
        ("webdav://host/a.zip", True),
        ("dropbox:a.zip", True),
        ("my drive:folder/a.zip", True),
        ("drive:a.zip", True),
        ("a.zip", False),
        ("/content/a:b.zip", False),
        ("./name:a.zip", False),
        ("folder/name:a.zip", False),
        ("C:\\data\\a.zip", False),
        ("c:/data/a.zip", False),
        ("", False),
        (Path("name:a.zip"), False),
    ],
)
def test_what_is_an_address(text: str | Path, expected: bool) -> None:
    assert is_address(text) is expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://host/a%20b.zip?token=x", "a b.zip"),
        ("s3://bucket/deep/a.tar.gz", "a.tar.gz"),
        ("dropbox:deep/a.zip", "a.zip"),
        ("dropbox:a.zip", "a.zip"),
        ("/content/a.zip", "a.zip"),
        ("https://host", "host"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert name_of(text) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host:8443/a.zip?token=secret#part", "https://host:8443/a.zip?…"),
        ("https://host/a@b.zip", "https://host/a@b.zip"),
        ("name:path?", "name:path?"),
        ("/content/a?b.zip", "/content/a?b.zip"),
    ],
)
def test_addresses_are_shown_without_secrets(text: str, shown: str) -> None:
    assert shown_address(text) == shown


def test_web_addresses_and_share_links(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hidden")
    spec = spec_of_url("https://www.dropbox.com/s/abc/a.zip?dl=0", host=host)
    assert (spec.kind, spec.url) == ("http", "https://www.dropbox.com/s/abc/a.zip?dl=1")
    spec = spec_of_url("https://huggingface.co/a/b/blob/main/a.zip", host=host)
    assert spec.url == "https://huggingface.co/a/b/resolve/main/a.zip"
    assert spec.headers == {"Authorization": "Bearer hidden"}
    assert "hidden" not in repr(spec)
    spec = spec_of_url("https://me:pass@host/a.zip", host=host)
    assert (spec.url, spec.headers) == ("https://host/a.zip", {"Authorization": "Basic bWU6cGFzcw=="})


@pytest.mark.parametrize(
    ("scheme", "real"), [("webdav", "http"), ("dav", "http"), ("webdavs", "https"), ("DAVS", "https")]
)
def test_webdav_is_asked_over_http(host: FakeHost, scheme: str, real: str) -> None:
    spec = spec_of_url(f"{scheme}://me:pass@host/a b.zip", host=host)
    assert (spec.kind, spec.url, spec.name) == ("http", f"{real}://host/a%20b.zip", "a b.zip")
    assert spec.shown == f"{scheme}://host/a b.zip"


def test_a_dashboard_reads_public_web_addresses_without_its_operators_tokens(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hidden")
    host.is_served = True
    spec = spec_of_url("https://huggingface.co/a/b/resolve/main/a.zip", host=host)
    assert (spec.headers, spec.options) == ({}, {"public_only": True})
    assert spec_of_url("webdavs://host/a.zip", host=host).options["public_only"] is True
    for text in ("s3://bucket/a.zip", "gs://bucket/a.zip", "memory://a.zip", "file:///etc/passwd", "ftp://host/a.zip"):
        with pytest.raises(InputError, match="not read from a dashboard"):
            spec_of_url(text, host=host)


@pytest.mark.parametrize("text", ["file:///etc/passwd", "local://a", "zip://a.txt::https://host/a.zip"])
def test_the_disk_is_not_read_by_another_name(host: FakeHost, text: str) -> None:
    with pytest.raises(InputError, match=":// addresses are not read"):
        spec_of_url(text, host=host)


def test_what_was_kept_without_its_secret_is_asked_for_again(host: FakeHost) -> None:
    with pytest.raises(InputError, match="kept without the part") as caught:
        spec_of_url(shown_address("https://host/a.zip?token=x"), host=host)
    assert "Paste" in caught.value.hint


def test_specifications_cross_as_json() -> None:
    spec = SourceSpec("http", "https://host/a.zip", {"a": "b"}, {"name": "x"})
    assert SourceSpec(**spec.to_json()) == spec
    assert spec.knowing(size=3).options == {"name": "x", "known": {"size": 3}}


def test_paths_are_opened_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    source = open_source(str(tmp_path / "a"))
    assert (source.read(1, 9), source.shown, source.reference) == (b"bc", str(tmp_path / "a"), str(tmp_path / "a"))
    source.close()
