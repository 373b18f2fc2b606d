"""Reach arrays wherever they lie: TileDB's settings for object stores, and its errors in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import tiledb

from kerasac.cache import url_of
from kerasac.errors import StoreError

_S3 = "s3"
_STORES = (_S3, "gs", "gcs", "azure")
_NOT_THERE = ("NoSuchBucket", "NoSuchKey", "404")
_NO_ACCESS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "401", "403")


def context(path: str, settings: Mapping[str, str] | None = None) -> tiledb.Ctx | None:
    """Return what TileDB opens a path with; None, its own default, for a path of this machine without settings."""
    settings = dict(settings or {}) | _remote_settings(path)
    return tiledb.Ctx(tiledb.Config(settings)) if settings else None


def s3_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return TileDB's settings for the variables that AWS's tools read, and which TileDB does not read itself.

    It finds credentials (AWS_ACCESS_KEY_ID …, AWS_PROFILE, the machine's role) on its own, and reads without any where
    there are none. An endpoint is another server than Amazon's, which seldom has a host name for every bucket.
    """
    settings = {}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if region:
        settings["vfs.s3.region"] = region
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        scheme, separator, host = endpoint.rstrip("/").rpartition("://")
        settings["vfs.s3.endpoint_override"] = host
        settings["vfs.s3.use_virtual_addressing"] = "false"
        settings["vfs.s3.scheme"] = scheme if separator else "https"
    return settings


def check_reachable(path: str) -> None:
    """Raise StoreError for a URL that no array can lie at."""
    scheme = urlsplit(url_of(path) or "").scheme
    if scheme and scheme not in _STORES:  # TileDB takes http for a kind of S3
        raise StoreError(f"{path}: arrays are read from s3:// or a folder; download this one, and name its folder")


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Say in our words why an array of an object store cannot be read; errors of other paths pass."""
    try:
        yield
    except tiledb.TileDBError as error:
        if url_of(path) is None:
            raise
        raise StoreError(f"array {path} cannot be read: {_reason(str(error))}") from None


def read_file(path: str) -> bytes | None:
    """Return the bytes of a file beside an array's own, None when it is not there."""
    if url_of(path) is None:
        return Path(path).read_bytes() if Path(path).exists() else None
    with explained(path):
        files = tiledb.VFS(ctx=context(path))
        if not files.is_file(path):
            return None
        with files.open(path) as content:
            return bytes(content.read())


def _remote_settings(path: str) -> dict[str, str]:
    return s3_settings(os.environ) if urlsplit(url_of(path) or "").scheme == _S3 else {}


def _reason(message: str) -> str:
    """Shorten TileDB's message, which goes on for the headers of the server's answer."""
    codes = re.findall(r"\[(?:Exception|HTTP Response Code): ([^\]]+)\]", message)
    if set(codes) & set(_NOT_THERE):
        return f"there is no such bucket ({' '.join(codes)}); correct the URL"
    if set(codes) & set(_NO_ACCESS):
        return f"no permission ({' '.join(codes)}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if codes or "curl" in message:
        said = re.search(r"curlCode: \d+, ([^;]+)", message)
        return (
            f"the server does not answer as it should ({said[1] if said else ' '.join(codes)}); try again, and check "
            "network, AWS_ENDPOINT_URL and AWS_REGION"
        )
    return message[:300]
