"""What headers say of a file."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import io
import time
from http.client import HTTPMessage, HTTPResponse
from typing import Any

import pytest

from colabpanel.services.web.answers import Version, part_of, pause_asked, stated_sums, version_of

DATA = b"some bytes"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
SHA = base64.b64encode(hashlib.sha256(DATA).digest()).decode()


def _headers(**headers: str) -> HTTPMessage:
    message = HTTPMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


def _response(status: int, **headers: str) -> HTTPResponse:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    class Socket:
        def makefile(self, *_: Any) -> io.BytesIO:
            return io.BytesIO(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())

    response = HTTPResponse(Socket())  # type: ignore[arg-type]
    response.begin()
    return response


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("bytes 0-9/100", (0, 10, 100)),
        ("Bytes  5-5/6", (5, 6, 6)),
        ("bytes 0-9/*", (0, 10, None)),
        ("bytes 9-0/100", None),
        ("bytes 0-100/100", None),
        ("bytes */100", None),
        ("items 0-9/100", None),
        ("", None),
    ],
)
def test_parts(said: str, part: tuple[int, int, int | None] | None) -> None:
    assert part_of(_response(206, Content_Range=said)) == part


@pytest.mark.parametrize(
    ("status", "length", "part"),
    [(200, "10", (0, 10, 100)), (200, "100", None), (200, "", None), (206, "100", (0, 10, 100)), (416, "10", None)],
)
def test_a_part_that_is_called_all_of_it_is_believed_where_its_length_fits(
    status: int, length: str, part: tuple[int, int, int | None] | None
) -> None:
    assert part_of(_response(status, Content_Range="bytes 0-9/100", Content_Length=length)) == part


def test_versions() -> None:
    whole = _response(200, Content_Length="7", ETag='"a"', Last_Modified="then")
    assert version_of(whole) == Version(7, '"a"', "then")
    assert version_of(whole).condition == {"If-Range": '"a"'}
    part = _response(206, Content_Length="2", Content_Range="bytes 0-1/9", ETag='W/"a"', Last_Modified="then")
    assert version_of(part) == Version(9, 'W/"a"', "then")
    assert version_of(part).condition == {"If-Range": "then"}
    open_end = version_of(_response(200, Transfer_Encoding="chunked", ETag='"a"'))
    assert open_end.size is None
    assert not open_end.is_told_apart
    assert Version(7).condition == {}


@pytest.mark.parametrize(
    ("headers", "sums"),
    [
        ({"X_Goog_Hash": f"crc32c=AAAAAA==,md5={MD5}"}, {"md5": hashlib.md5(DATA).hexdigest()}),
        ({"X_Goog_Hash": f"md5={MD5}", "X_Goog_Stored_Content_Encoding": "gzip"}, {}),
        ({"X_Goog_Hash": "md5=AAAAAAAAAAAAAAAAAAAAA_=="}, {}),
        ({"X_Linked_ETag": f'"{"0" * 64}"'}, {"sha256": "0" * 64}),
        ({"X_Linked_ETag": '"abc"'}, {}),
        ({"Repr_Digest": f"md5=:x:, sha-256=:{SHA}:"}, {"sha256": hashlib.sha256(DATA).hexdigest()}),
        ({"ETag": f'"{hashlib.md5(DATA).hexdigest()}"'}, {}),  # a tag may be anything
    ],
)
def test_checksums_of_the_whole_file(headers: dict[str, str], sums: dict[str, str]) -> None:
    assert stated_sums(_headers(**headers)) == sums


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        ("86400", 30, 30),
        ("", 0, 0),
        ("soon", 0, 0),
        (email.utils.formatdate(time.time() + 3600), 30, 30),
        (email.utils.formatdate(time.time() - 3600), 0, 0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(said: str, least: float, most: float) -> None:
    assert least <= pause_asked(_headers(Retry_After=said)) <= most
