"""Objects of S3 and of what speaks like it: their addresses, and questions signed with the user's keys.

The keys are those that Amazon's own tools use: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and
``AWS_SESSION_TOKEN``, else the profile ``AWS_PROFILE`` of ``~/.aws/credentials``. Without any, only what everybody
may read is found. ``AWS_ENDPOINT_URL`` leads to another service than Amazon's.
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from colabpanel.errors import InputError
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.web.addresses import Address

__all__ = ["keys_of", "refusal", "s3_spec", "signer"]

_NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_REGION = "us-east-1"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NOTHING = hashlib.sha256(b"").hexdigest()

Keys = tuple[str, str, str]


def s3_spec(url: str, environ: Mapping[str, str] = os.environ) -> SourceSpec:
    """Return how an address such as ``s3://bucket/folder/photos.zip`` is read.

    Raises:
        InputError: It names no object.
    """
    bucket, _, key = url.partition("://")[2].partition("/")
    if not _BUCKET.fullmatch(bucket) or not key or key.endswith("/"):
        raise InputError("The address names no object of a bucket.", hint="Write it as s3://bucket/folder/photos.zip.")
    keys, settings = keys_of(environ), _settings("config", environ)
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or settings.get("region") or _REGION
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or settings.get("endpoint_url")
    path = quote(key, safe="/-_.~")
    if endpoint:
        address = f"{endpoint.rstrip('/')}/{bucket}/{path}"
    elif "." in bucket:  # no certificate is valid for its name
        address = f"https://s3.{region}.amazonaws.com/{bucket}/{path}"
    elif keys and region != _REGION:
        address = f"https://{bucket}.s3.{region}.amazonaws.com/{path}"
    else:
        address = f"https://{bucket}.s3.amazonaws.com/{path}"
    options = {"shown": f"s3://{bucket}/{key}", "name": key.rpartition("/")[2], "region": region}
    return SourceSpec("s3", address, {}, {**options, "keys": list(keys) if keys else None})


def keys_of(environ: Mapping[str, str] = os.environ) -> Keys | None:
    """Return key, secret and session token (mostly empty) of the user, or None."""
    if environ.get(_NAMES[0]) and environ.get(_NAMES[1]):
        return environ[_NAMES[0]], environ[_NAMES[1]], environ.get(_NAMES[2], "")
    found = _settings("credentials", environ)
    key, secret, token = (found.get(name.lower(), "") for name in _NAMES)
    return (key, secret, token) if key and secret else None


def _settings(file: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a file of Amazon's tools says for the user's profile."""
    usual = Path(environ.get("HOME") or "~").expanduser() / ".aws" / file
    named = environ.get("AWS_CONFIG_FILE" if file == "config" else "AWS_SHARED_CREDENTIALS_FILE")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(named or usual, encoding="utf-8")
    except (configparser.Error, UnicodeError):
        return {}
    profile = environ.get("AWS_PROFILE") or "default"
    section = f"profile {profile}" if file == "config" and profile != "default" else profile
    return parser[section] if parser.has_section(section) else {}


def signer(options: Mapping[str, Any], now: Callable[[], float] = time.time) -> Callable[[Address], dict[str, str]]:
    """Return what makes the headers that prove who asks; a signature is good for some minutes.

    Args:
        options: Those of a specification, with ``keys`` and ``region``.
        now: Returns the time.
    """
    if not options.get("keys"):
        return lambda _address: {}
    key, secret, token = options["keys"]
    region = options["region"]

    def sign(address: Address) -> dict[str, str]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now()))
        scope = f"{moment[:8]}/{region}/s3/aws4_request"
        said = {"host": address.netloc, "x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
        said |= {"x-amz-security-token": token} if token else {}
        path, _, query = address.target.partition("?")
        lines = ["GET", path, query, *(f"{name}:{value}" for name, value in said.items()), "", ";".join(said), _NOTHING]
        asked = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        seal = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{asked}"
        signing = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        signature = hmac.digest(signing, seal.encode(), "sha256").hex()
        proof = f"AWS4-HMAC-SHA256 Credential={key}/{scope},SignedHeaders={';'.join(said)},Signature={signature}"
        return {**{name: value for name, value in said.items() if name != "host"}, "Authorization": proof}

    return sign


def refusal(status: int, spec: SourceSpec) -> InputError:
    """Return the error for an object that is not given."""
    if status in {301, 400}:
        return InputError(
            f"{spec.shown} is not in the region {spec.options['region']}.",
            hint="Set AWS_REGION to the region of the bucket.",
        )
    hint = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may read it."
    if spec.options.get("keys"):
        hint = "Check the spelling, and whether your keys may read it."
    return InputError(f"{spec.shown} does not exist, or may not be read ({status}).", hint=hint)
