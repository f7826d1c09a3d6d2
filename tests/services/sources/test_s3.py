"""Addresses and signatures of S3; that servers accept the signatures is tested with `rclone serve s3`."""

from __future__ import annotations

from pathlib import Path

import pytest

from colabpanel.errors import InputError
from colabpanel.services.sources.http import HttpSource
from colabpanel.services.sources.s3 import keys_of, s3_spec, signer
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.addresses import parse
from tests.http_faults import FaultyServer

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden"}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".aws").mkdir()
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        ("s3://bucket/a b.zip", {}, "https://bucket.s3.amazonaws.com/a%20b.zip"),
        ("s3://bucket/a+b%20=.zip", {}, "https://bucket.s3.amazonaws.com/a%2Bb%2520%3D.zip"),
        ("s3://bucket/deep/a.zip", {**KEYS, "AWS_REGION": "eu-west-1"}, "https://bucket.s3.eu-west-1.amazonaws.com/deep/a.zip"),
        ("s3://my.bucket/a.zip", {"AWS_DEFAULT_REGION": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/my.bucket/a.zip"),
        ("s3://bucket/a.zip", {"AWS_ENDPOINT_URL": "http://there:9000/"}, "http://there:9000/bucket/a.zip"),
        ("s3://bucket/a.zip", {"AWS_ENDPOINT_URL": "http://x", "AWS_ENDPOINT_URL_S3": "http://y"}, "http://y/bucket/a.zip"),
    ],
)  # fmt: skip
def test_where_objects_are(home: dict[str, str], url: str, settings: dict[str, str], expected: str) -> None:
    spec = s3_spec(url, {**home, **settings})
    assert (spec.kind, spec.url, spec.shown) == ("s3", expected, url)
    assert "hidden" not in repr(spec)


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/", "s3://Bad_Bucket/a"])
def test_what_names_no_object(home: dict[str, str], url: str) -> None:
    with pytest.raises(InputError, match="names no object"):
        s3_spec(url, home)


def test_keys_come_from_the_environment_or_from_the_files_of_amazons_tools(home: dict[str, str]) -> None:
    assert keys_of(home) is None
    folder = Path(home["HOME"]) / ".aws"
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = %B\n"
        "[other]\naws_access_key_id = C\naws_secret_access_key = D\naws_session_token = E\n"
    )
    assert keys_of(home) == ("A", "%B", "")
    assert keys_of({**home, "AWS_PROFILE": "other"}) == ("C", "D", "E")
    assert keys_of({**home, "AWS_PROFILE": "none"}) is None
    assert keys_of({**home, **KEYS, "AWS_SESSION_TOKEN": "T"}) == ("AKID", "hidden", "T")
    (folder / "config").write_text("[profile other]\nregion = eu-north-1\nendpoint_url = https://there\n")
    spec = s3_spec("s3://bucket/a", {**home, "AWS_PROFILE": "other"})
    assert (spec.options["region"], spec.url) == ("eu-north-1", "https://there/bucket/a")
    (folder / "credentials").write_text("nonsense")
    assert keys_of(home) is None


def test_a_signature_is_that_of_amazons_example() -> None:
    """The lifecycle example of the documentation of Signature Version 4, with its key, date and signature."""
    key = ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""]
    sign = signer({"keys": key, "region": "us-east-1"}, now=lambda: 1369353600.0)
    said = sign(parse("http://examplebucket.s3.amazonaws.com/?lifecycle="))
    assert said["x-amz-date"] == "20130524T000000Z"
    assert said["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_a_session_token_is_signed_too_and_without_keys_nothing_is() -> None:
    said = signer({"keys": ["A", "B", "token"], "region": "r"})(parse("http://host/a"))
    assert said["x-amz-security-token"] == "token"
    assert "x-amz-date;x-amz-security-token," in said["Authorization"]
    assert signer({"keys": None})(parse("http://host/a")) == {}


@pytest.mark.parametrize(
    ("status", "keys", "words", "hint"),
    [
        (403, None, r"s3://bucket/a does not exist, or may not be read \(403\)", "Set AWS_ACCESS_KEY_ID"),
        (404, ["a", "b", ""], "does not exist, or may not be read", "whether your keys may read it"),
        (400, ["a", "b", ""], "not in the region here", "Set AWS_REGION"),
        (301, ["a", "b", ""], "not in the region here", "Set AWS_REGION"),
    ],
)
def test_refusals_in_words(server: FaultyServer, status: int, keys: list[str] | None, words: str, hint: str) -> None:
    server.serve(b"", "/bucket/a", status=status)
    options = {"shown": "s3://bucket/a", "region": "here", "keys": keys}
    with pytest.raises(InputError, match=words) as caught:
        HttpSource(SourceSpec("s3", f"{server.url}/bucket/a", {}, options))
    assert hint in caught.value.hint
