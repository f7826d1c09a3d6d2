from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colabpanel.errors import InputError
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.links import direct, drive_folder

DRIVE = "https://drive.usercontent.google.com/download?id=1AbC_-d&export=download&confirm=t"
KAGGLE = "https://www.kaggle.com/api/v1"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://drive.google.com/file/d/1AbC_-d/view?usp=sharing", DRIVE),
        ("https://drive.google.com/file/u/1/d/1AbC_-d/edit", DRIVE),
        ("https://drive.google.com/a/school.edu/file/d/1AbC_-d/view", DRIVE),
        ("https://drive.google.com/open?id=1AbC_-d", DRIVE),
        ("https://drive.google.com/uc?export=download&id=1AbC_-d", DRIVE),
        ("https://docs.google.com/uc?id=1AbC_-d", DRIVE),
        ("https://drive.google.com/file/d/1AbC_-d/view?resourcekey=0-k", f"{DRIVE}&resourcekey=0-k"),
        (
            "https://docs.google.com/spreadsheets/d/1A/edit#gid=0",
            "https://docs.google.com/spreadsheets/d/1A/export?format=xlsx",
        ),
        ("https://docs.google.com/document/u/0/d/1A/edit", "https://docs.google.com/document/d/1A/export?format=docx"),
        ("https://docs.google.com/presentation/d/1A/edit", "https://docs.google.com/presentation/d/1A/export/pptx"),
        ("https://docs.google.com/document/d/1A/export?format=txt", None),
        ("https://docs.google.com/spreadsheets/d/e/2PACX-1v/pub?output=csv", None),
        ("https://docs.google.com/spreadsheets/d/1A/pub?output=csv", None),
        ("https://docs.google.com/spreadsheets/d/1A/gviz/tq?tqx=out:csv&sheet=S", None),
        ("https://drive.google.com/a/example.org/open?id=1AbC_-d", DRIVE),
        ("https://drive.google.com/u/0/uc?id=1AbC_-d", DRIVE),
        ("https://www.dropbox.com/s/abc/data.zip?dl=0", "https://www.dropbox.com/s/abc/data.zip?dl=1"),
        (
            "https://www.dropbox.com/scl/fi/abc/data.zip?rlkey=k&st=s&dl=0",
            "https://www.dropbox.com/scl/fi/abc/data.zip?rlkey=k&st=s&dl=1",
        ),
        ("https://huggingface.co/o/m/blob/main/a/b.bin", "https://huggingface.co/o/m/resolve/main/a/b.bin"),
        (
            "https://huggingface.co/datasets/o/d/blob/main/x.csv",
            "https://huggingface.co/datasets/o/d/resolve/main/x.csv",
        ),
        ("https://hf.co/gpt2/raw/main/config.json", "https://huggingface.co/gpt2/resolve/main/config.json"),
        ("https://huggingface.co/o/m/resolve/main/blob/x", "https://huggingface.co/o/m/resolve/main/blob/x"),
        ("https://huggingface.co/o/m", None),
        ("https://github.com/o/r/blob/main/a%20b.csv", "https://raw.githubusercontent.com/o/r/main/a%20b.csv"),
        ("https://www.github.com/o/r/raw/v1/a.csv", "https://raw.githubusercontent.com/o/r/v1/a.csv"),
        ("https://github.com/o/r/releases/download/v1/a.zip", None),
        ("https://zenodo.org/records/123/files/a.zip", "https://zenodo.org/records/123/files/a.zip?download=1"),
        (
            "https://zenodo.org/records/123/preview/a.zip?include=0",
            "https://zenodo.org/records/123/files/a.zip?download=1",
        ),
        ("https://zenodo.org/record/123", "https://zenodo.org/api/records/123/files-archive"),
        ("https://zenodo.org/communities/x", None),
        ("https://www.kaggle.com/datasets/o/d", f"{KAGGLE}/datasets/download/o/d"),
        ("https://www.kaggle.com/datasets/o/d?select=a+b.csv", f"{KAGGLE}/datasets/download/o/d/a%20b.csv"),
        ("https://www.kaggle.com/datasets/o/d/versions/3", f"{KAGGLE}/datasets/download/o/d?datasetVersionNumber=3"),
        ("https://www.kaggle.com/competitions/titanic/data", f"{KAGGLE}/competitions/data/download-all/titanic"),
        ("https://www.kaggle.com/c/titanic", f"{KAGGLE}/competitions/data/download-all/titanic"),
        ("https://www.kaggle.com/models/o/m/keras/v/2", f"{KAGGLE}/models/o/m/keras/v/2/download"),
        ("https://www.kaggle.com/code/o/n", None),
        ("https://example.org/blob/x?dl=0", None),
    ],
)
def test_share_links_become_addresses_of_files(link: str, address: str | None) -> None:
    assert direct(link) == (address or link)


@pytest.mark.parametrize("above", ["", "u/0/", "mobile/"])
def test_folders_of_drive_are_told_from_files(above: str) -> None:
    assert drive_folder(f"https://drive.google.com/drive/{above}folders/1AbC-_?usp=sharing") == "1AbC-_"
    assert drive_folder("https://drive.google.com/file/d/1A/view") is None
    assert drive_folder("https://evil.org/drive/folders/1A") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "No address"),
        ("   ", "No address"),
        ("file:///etc/passwd", "file:// addresses are not fetched"),
        ("ftp://host/x", "ftp:// addresses are not fetched"),
        ("host/data.zip", "without https://"),
        ("https://", "names no host"),
        ("https://host:99999/", "no address of a file"),
        ("https://ho st/", "no address of a file"),
        ("https://host\\@evil/", "no address of a file"),
        ("https://host/\nx", "no address of a file"),
        ("https://[::1", "no address of a file"),
        ("https://" + "a" * 20_000, "no address of a file"),
    ],
)
def test_what_is_no_address_is_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse(url)
    assert caught.value.hint


def test_an_address_is_split_and_shown_without_what_may_be_secret() -> None:
    address = parse(" https://na%40me:pass@B\u00fccher.example:8443/a b/\u00fc?token=s3cret#part ")
    assert (address.host, address.port) == ("xn--bcher-kva.example", 8443)
    assert address.target == "/a%20b/%C3%BC?token=s3cret"
    assert address.authorization == "Basic bmFAbWU6cGFzcw=="
    assert address.shown == "https://xn--bcher-kva.example:8443/a%20b/%C3%BC"
    assert address.path == "/a b/\u00fc"
    assert parse("HTTP://Host./").origin == "http://host"
    assert parse("http://[2001:DB8::1]:80/x").origin == "http://[2001:db8::1]"


def test_a_password_stays_with_its_own_host() -> None:
    address = parse("https://name:pass@host/a/b?x=1")
    assert address.join("c").authorization == address.authorization
    assert address.join("c").target == "/a/c"
    for away in ("https://other/c", "http://host/c", "//host:444/c"):
        assert address.join(away).authorization == ""


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://host/{text}"):
        try:
            address = parse(direct(url))
        except InputError:
            continue
        except ValueError as error:
            pytest.fail(str(error))
        assert address.scheme in {"http", "https"}
        assert address.target.isascii()
        assert address.target.isprintable()
        assert " " not in address.target
        assert parse(address.url)[:4] == address[:4]


@pytest.mark.parametrize("host", ["example..com", ".example.com", f"{'a' * 64}.com", "a." * 200 + ".com"])
def test_what_is_no_name_of_a_host_is_no_address(host: str) -> None:
    with pytest.raises(InputError, match="no address of a file"):
        parse(f"http://{host}/data.zip")
