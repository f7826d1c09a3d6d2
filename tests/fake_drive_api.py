"""Google Drive's API on the loopback, over TLS, for our own client and for unmodified rclone; it fails as a test says.

rclone asks ``www.googleapis.com`` through a proxy that leads here, and trusts the certificate it is shown.
"""

from __future__ import annotations

import base64
import contextlib
import email
import hashlib
import json
import re
import ssl
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from tests.http_proxy import proxying

__all__ = ["CERTIFICATE", "FOLDER", "SHORTCUT", "TOKEN", "DriveFile", "FakeDriveApi", "drive_api", "rclone_drive"]

CERTIFICATE = Path(__file__).with_name("fake_drive_api.pem")
FOLDER, SHORTCUT = "application/vnd.google-apps.folder", "application/vnd.google-apps.shortcut"
TOKEN = "ya29.secret-token"
_ATOM = re.compile(
    r"'(?P<parent>[^']*)' in parents|trashed\s*=\s*(?P<trashed>true|false)|sharedWithMe(?:\s*=\s*(?:true|false))?"
    r"|(?P<field>name|title|mimeType)\s*(?P<sign>!=|=|contains)\s*'(?P<value>(?:[^'\\]|\\.)*)'"
)


@dataclass
class DriveFile:
    """A file, folder or shortcut."""

    id: str
    name: str
    parents: list[str]
    data: bytes = b""
    mime: str = "application/octet-stream"
    modified: str = "2026-06-01T12:00:00.000Z"
    trashed: bool = False
    target: str = ""
    target_mime: str = FOLDER
    drive: str = ""

    @property
    def is_bytes(self) -> bool:
        return not self.mime.startswith("application/vnd.google-apps.")

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "mimeType": self.mime,
            "parents": self.parents,
            "modifiedTime": self.modified,
            "createdTime": self.modified,
            "trashed": self.trashed,
            "kind": "drive#file",
            "capabilities": {"canAddChildren": True},
        }
        if self.is_bytes:
            md5, sha256 = hashlib.md5(self.data), hashlib.sha256(self.data)
            found |= {"size": str(len(self.data)), "md5Checksum": md5.hexdigest(), "sha256Checksum": sha256.hexdigest()}
        if self.target:
            found["shortcutDetails"] = {"targetId": self.target, "targetMimeType": self.target_mime}
        if self.drive:
            found["driveId"] = self.drive
        return found


@dataclass
class Upload:
    """A resumable upload that is under way."""

    file: dict[str, Any]
    target: str
    length: int
    data: bytearray = field(default_factory=bytearray)


class FakeDriveApi(ThreadingHTTPServer):
    """Holds ``files`` by id; the next questions meet the ``faults`` in their order.

    ``faults``: ``rate``, ``429``, ``401``, ``500``, ``cut`` (of a download), ``reset`` (hangs up), ``html``,
    ``quota`` (of an upload), ``half`` (keeps half of a piece of an upload), ``lost`` (keeps it, and hangs up),
    ``corrupt`` (keeps other bytes than were sent). A fault waits for a question that it fits.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.lock = threading.RLock()
        self.empty()

    def empty(self) -> None:
        """Forget everything."""
        self.files = {"root-id": DriveFile("root-id", "My Drive", [], mime=FOLDER)}
        self.drives: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self.tokens = {TOKEN}
        self.faults: deque[str] = deque()
        self.asked: list[str] = []
        self.limit: int | None = 15 << 30

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked hung up."""

    def add(self, path: str, data: bytes | None = None, **options: Any) -> DriveFile:
        """Put a file at a path below My Drive, or a folder where there are no bytes."""
        *way, name = path.strip("/").split("/")
        parent = "root-id"
        for step in way:
            parent = next((one.id for one in self.inside(parent) if one.name == step), "") or self.put(step, parent).id
        return self.put(name, parent, data, **options)

    def put(self, name: str, parent: str, data: bytes | None = None, **options: Any) -> DriveFile:
        if data is None:
            options.setdefault("mime", FOLDER)
        made = DriveFile(uuid.uuid4().hex, name, [parent], data or b"", **options)
        made.drive = made.drive or (self.files[parent].drive if parent in self.files else "")
        self.files[made.id] = made
        return made

    def share(self, name: str) -> DriveFile:
        """Make a shared drive."""
        made = DriveFile(f"0A{uuid.uuid4().hex}", name, [], mime=FOLDER)
        made.drive, self.drives[made.id], self.files[made.id] = made.id, name, made
        return made

    def inside(self, parent: str) -> list[DriveFile]:
        return [one for one in self.files.values() if parent in one.parents and not one.trashed]

    def named(self, name: str) -> list[DriveFile]:
        return [one for one in self.files.values() if one.name == name and not one.trashed]

    def size(self, *, trashed: bool = False) -> int:
        return sum(len(one.data) for one in self.files.values() if one.trashed or not trashed)

    def fault(self, *fitting: str) -> str:
        """Take the next fault if it is one of these."""
        with self.lock:
            return self.faults.popleft() if self.faults and self.faults[0] in fitting else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeDriveApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _asked(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.body = self._read_body()
        with self.server.lock:
            self.server.asked.append(f"{self.command} {self.path}")
            fault = self.server.fault("rate", "429", "401", "500", "reset", "html")
            if fault or not self._is_let_in():
                self._refuse(fault or "401")
                return
            self._route(parts.path.removeprefix("/upload"), is_upload=parts.path.startswith("/upload"))

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = _asked  # noqa: N815 - as the server calls them
    do_POST = do_PATCH = do_PUT = do_DELETE = _asked  # noqa: N815

    def _is_let_in(self) -> bool:
        if self.path.startswith("/token"):
            return True
        return self.headers.get("Authorization", "").removeprefix("Bearer ") in self.server.tokens

    def _refuse(self, fault: str) -> None:
        if fault == "reset":
            self.close_connection = True
        elif fault == "html":
            self._send(502, b"<html>Bad gateway</html>", "text/html")
        elif fault == "401":
            self._fail(401, "authError", "Invalid Credentials")
        elif fault == "500":
            self._fail(500, "internalError", "Internal Error")
        else:
            self._fail(429 if fault == "429" else 403, "userRateLimitExceeded", "User Rate Limit Exceeded.")

    def _fail(self, status: int, reason: str, message: str) -> None:
        errors = [{"domain": "usageLimits", "reason": reason, "message": message}]
        self._json({"error": {"errors": errors, "code": status, "message": message}}, status)

    def _json(self, answer: Any, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json; charset=UTF-8", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        cut = self.server.fault("cut") if kind == "application/octet-stream" and len(data) > 1 else ""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or bool(cut)

    def _route(self, path: str, *, is_upload: bool) -> None:
        if path.startswith("/token"):
            self.server.tokens.add(f"{TOKEN}-anew")
            self._json({"access_token": f"{TOKEN}-anew", "token_type": "Bearer", "expires_in": 3600})
            return
        path = path.removeprefix("/drive/v3")
        if "upload_id" in self.query:
            self._piece(self.query["upload_id"])
        elif is_upload:
            self._begin_upload(path)
        elif path == "/about":
            self._about()
        elif path == "/drives":
            drives = [{"id": id_, "name": name} for id_, name in self.server.drives.items()]
            self._json({"drives": drives})
        elif path == "/files" and self.command == "GET":
            self._list()
        elif path == "/files":
            self._create(json.loads(self.body))
        elif path == "/files/trash":
            self.server.files = {key: one for key, one in self.server.files.items() if not one.trashed}
            self._send(204, b"", "text/plain")
        else:
            self._one(path.removeprefix("/files/"))

    def _about(self) -> None:
        server = self.server
        quota = {"usage": str(server.size()), "usageInDriveTrash": str(server.size(trashed=True))}
        if server.limit is not None:
            quota["limit"] = str(server.limit)
        self._json({"storageQuota": quota, "user": {"emailAddress": "a@b.c"}, "importFormats": {}, "exportFormats": {}})

    def _list(self) -> None:
        query, start = self.query.get("q", ""), int(self.query.get("pageToken") or 0)
        most = min(int(self.query.get("pageSize") or 100), 1000)
        found = [one for one in self.server.files.values() if one.parents and _matches(one, query)]
        answer: dict[str, Any] = {
            "files": [one.told() for one in found[start : start + most]],
            "kind": "drive#fileList",
        }
        if start + most < len(found):
            answer["nextPageToken"] = str(start + most)
        self._json(answer)

    def _create(self, given: dict[str, Any]) -> None:
        parent = _real(given.get("parents", ["root"])[0])
        mime = given.get("mimeType", "application/octet-stream")
        data = None if mime == FOLDER else b""
        self._json(self.server.put(given["name"], parent, data, mime=mime).told())

    def _one(self, id_: str) -> None:
        one = self.server.files.get(_real(id_))
        if one is None:
            self._fail(404, "notFound", f"File not found: {id_}.")
        elif self.command == "DELETE":
            del self.server.files[one.id]
            self._send(204, b"", "text/plain")
        elif self.command == "PATCH":
            self._change(one, json.loads(self.body or b"{}"))
        elif self.query.get("alt") == "media":
            self._media(one)
        else:
            self._json(one.told())

    def _change(self, one: DriveFile, given: dict[str, Any]) -> None:
        one.name, one.trashed = given.get("name", one.name), given.get("trashed", one.trashed)
        one.modified = given.get("modifiedTime", one.modified)
        if "addParents" in self.query:
            one.parents = [_real(self.query["addParents"])]
        self._json(one.told())

    def _media(self, one: DriveFile) -> None:
        if not one.is_bytes:
            self._fail(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        kind, data = "application/octet-stream", one.data
        if asked is None:
            self._send(200, data, kind)
        elif int(asked[1]) >= len(data):
            self._send(416, b"", kind, {"Content-Range": f"bytes */{len(data)}"})
        else:
            start, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
            self._send(206, data[start:end], kind, {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def _begin_upload(self, path: str) -> None:
        target = path.removeprefix("/files").strip("/")
        if self.query.get("uploadType") == "multipart":
            given, data = _parts(self.headers["Content-Type"], self.body)
            if not self._is_full(len(data)):
                self._keep(given, target, data)
            return
        length = int(self.headers.get("X-Upload-Content-Length") or -1)
        if self._is_full(length):
            return
        key = uuid.uuid4().hex
        self.server.uploads[key] = Upload(json.loads(self.body or b"{}"), target, length)
        host = self.headers["Host"]
        self._json({}, Location=f"https://{host}/upload/drive/v3/files?uploadType=resumable&upload_id={key}")

    def _is_full(self, length: int) -> bool:
        limit = self.server.limit
        full = self.server.fault("quota") or (limit is not None and self.server.size() + length > limit)
        if full:
            self._fail(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")
        return bool(full)

    def _piece(self, key: str) -> None:
        upload = self.server.uploads[key]
        asked = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range", ""))
        assert asked is not None
        trouble = self.server.fault("half", "lost", "corrupt") if self.body else ""
        if asked[1]:
            assert int(asked[1]) == len(upload.data), "a piece begins where the last one ended"
            body = self.body[: len(self.body) // 2] if trouble == "half" else self.body
            upload.data += bytes(reversed(body)) if trouble == "corrupt" else body
        if trouble == "lost":
            self.close_connection = True
        elif asked[3] != "*" and len(upload.data) == int(asked[3]):
            self._keep(upload.file, upload.target, bytes(upload.data))
        else:
            more = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
            self._json({}, 308, **more)

    def _keep(self, given: dict[str, Any], target: str, data: bytes) -> None:
        if target:
            made = self.server.files[target]
            made.data = data
        else:
            made = self.server.put(given["name"], _real(given.get("parents", ["root"])[0]), data)
        made.modified = given.get("modifiedTime", made.modified)
        self._json(made.told())


def _real(id_: str) -> str:
    return "root-id" if id_ == "root" else id_


def _parts(kind: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    first, second = cast("list[Any]", message.get_payload())
    data = body.split(b"\r\n\r\n", 2)[2]
    end = data.rindex(f"\r\n--{message.get_boundary()}--".encode())
    told = first.get_payload(decode=True)
    assert isinstance(told, bytes)
    encoded = second.get("Content-Transfer-Encoding", "") == "base64"
    return json.loads(told), base64.b64decode(data[:end]) if encoded else data[:end]


def _matches(one: DriveFile, query: str) -> bool:
    """Whether a file fits a query in Drive's language."""

    def holds(found: re.Match[str]) -> str:
        if found["parent"] is not None:
            return str(_real(found["parent"]) in one.parents)
        if found["trashed"]:
            return str(one.trashed == (found["trashed"] == "true"))
        if not found["field"]:
            return "False"
        value = re.sub(r"\\(.)", r"\1", found["value"])
        is_value = one.mime if found["field"] == "mimeType" else one.name
        return str((is_value == value) != (found["sign"] == "!="))

    logic = _ATOM.sub(holds, query) or "True"
    assert re.fullmatch(r"(True|False|and|or|not|[() ])*", logic), query
    return bool(eval(logic))


@contextmanager
def drive_api() -> Iterator[FakeDriveApi]:
    """Run the fake for as long as it is needed."""
    server = FakeDriveApi()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def rclone_drive(server: FakeDriveApi) -> Iterator[dict[str, str]]:
    """Lead unmodified rclone to the fake; gives what its environment needs, with a remote called ``gdrive``."""
    token = {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "refresh_token": "1//again",
        "expiry": "2099-01-01T00:00:00Z",
    }
    with contextlib.ExitStack() as stack:
        address = server.server_address
        proxy = stack.enter_context(proxying(("127.0.0.1", int(address[1]))))
        yield {
            "HTTPS_PROXY": proxy.url,
            "RCLONE_CA_CERT": str(CERTIFICATE),
            "RCLONE_CONFIG_GDRIVE_TYPE": "drive",
            "RCLONE_CONFIG_GDRIVE_SCOPE": "drive",
            "RCLONE_CONFIG_GDRIVE_TOKEN": json.dumps(token),
            "RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms",
            "RCLONE_DRIVE_PACER_BURST": "1000",
        }
