"""Keep what a URL names in the cache of this machine: fetched once, and again when the server has another state."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from kerasac.cache.entries import cache_folder, entry, make_room
from kerasac.cache.files import digest
from kerasac.cache.files import file_facts as _local_facts
from kerasac.cache.manifest import MANIFEST
from kerasac.errors import RemoteError

# A pathlib.Path keeps a URL but for its second slash: s3:/bucket/file. No shorter scheme, as C:/ is none.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>[^/].*)", re.DOTALL)
# What an ETag, a size and a time of change are called by the file systems of fsspec.
_STATE = (
    "ETag",
    "etag",
    "size",
    "created",
    "Last-Modified",
    "LastModified",
    "last_modified",
    "mtime",
    "Content-MD5",
    "md5Hash",
)
_SECRET = re.compile(
    r"(x-amz-|x-goog-).*|awsaccesskeyid|signature|sig|expires|policy|key-pair-id|(.*[-_])?token|"
    r"auth(orization)?|api[-_]?key|password|secret|credential",
    re.IGNORECASE,
)
_S3 = ("s3", "s3a")
_WEB = ("http", "https")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PART_BYTES = 8 * 2**20  # s3fs holds ten parts in memory
_WAIT_S = 60  # for an answer, and for the next bytes; a whole file may take as long as it takes

logger = logging.getLogger(__name__)


def location(text: str) -> Path:
    """Return the path that a user wrote, which may be a URL: :func:`local_copy` opens either.

    Raises
    ------
    RemoteError
        When it is a URL that a path does not keep as it is.
    """
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    path, url = Path(text), url_of(text)
    if url is not None and url_of(path) != (url if "?" in url else url.removesuffix("/")):
        raise RemoteError(f"{shown(text)} has nothing, or only a dot, between two slashes; write the URL without")
    return path


def url_of(path: Path | str) -> str | None:
    """Return the URL that a path holds, None when it is one of this machine's."""
    found = _URL.fullmatch(str(path))
    return f"{found['scheme'].lower()}://{found['rest']}" if found is not None else None


def shown(path: Path | str) -> str:
    """Return a path or a URL for people and files to see: without user, password and signature."""
    url = url_of(path)
    if url is None:
        return str(path)
    if not has_secrets(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if not _is_secret(key)]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query, safe="/"), ""))


def has_secrets(path: Path | str) -> bool:
    """Whether a URL holds a user, a password or a signature."""
    parts = urlsplit(url_of(path) or "")
    return "@" in parts.netloc or any(map(_is_secret, dict(parse_qsl(parts.query, keep_blank_values=True))))


def local_copy(path: Path | str) -> Path:
    """Return a file of this machine: a URL's copy in the cache, which keeps its name; any other path as it is.

    What the server says of the file (ETag, size, time of change) is asked once a process; when it is not what it was,
    the file is fetched again. When the server cannot be reached, the copy that is there serves.

    Raises
    ------
    RemoteError
        Says of a URL what keeps it from being read, and the way out.
    CacheError
        When the cache has no room for it.
    """
    url = url_of(path)
    if url is None:
        return Path(path)
    name = _entry_name(url)
    return entry(name, partial(_fetch, url, name)) / _file_name(url)


def file_facts(path: Path) -> dict[str, object]:
    """Return what tells one state of a file from another; see :func:`kerasac.cache.files.file_facts`."""
    url = url_of(path)
    if url is None:
        return _local_facts(path)
    copy = local_copy(path)
    return {"url": shown(url), "bytes": copy.stat().st_size, "state": copy.parent.name.rpartition("-")[2]}


@cache
def _entry_name(url: str) -> str:
    """Return the name of the entry of a URL as it is now: of its file, of the URL, and of the server's state."""
    stem = f"remote/{_file_name(url)[:80]}-{digest({'url': shown(url)})}"
    try:
        state = _state(url)
    except UnreachableError as error:
        copies = sorted(cache_folder().glob(f"{stem}-*/{MANIFEST}"), key=lambda manifest: manifest.stat().st_mtime)
        if not copies:
            raise
        logger.warning("%s; its copy in the cache is used", error)
        return f"remote/{copies[-1].parent.name}"
    if not state.keys() - {"size"}:
        logger.warning("the server does not say when %s changed; if its size stays, a change is not seen", shown(url))
    return f"{stem}-{digest(state)}"


def _state(url: str) -> dict[str, object]:
    """Ask what tells one state of a remote file from another."""
    with explained(url):
        filesystem, place = open_url(url)
        filesystem.invalidate_cache()
        info = filesystem.info(place)
    if info.get("type") == "directory":
        raise RemoteError(f"{shown(url)} is a folder; name a file")
    return state_of(info)


def state_of(info: Mapping[str, Any]) -> dict[str, object]:
    """Return what tells one state of a file from another, of what a file system of fsspec says of it."""
    return {key: str(info[key]) for key in _STATE if info.get(key) is not None}


def _fetch(url: str, name: str, folder: Path) -> None:
    state = _state(url)
    n_bytes = int(str(state["size"])) if "size" in state else None
    logger.info("fetching %s (%s), once", shown(url), "size unknown" if n_bytes is None else f"{n_bytes / 1e6:,.1f} MB")
    make_room(n_bytes or 0)
    target = folder / _file_name(url)
    with explained(url):
        filesystem, place = open_url(url)
        filesystem.get_file(place, str(target))
    found = target.stat().st_size
    if n_bytes not in (None, found):
        raise RemoteError(f"{shown(url)} broke off: {found:,} of {n_bytes:,} bytes came; run the command again")
    if not name.endswith(digest(state)) or _state(url) != state:
        raise RemoteError(f"{shown(url)} changed while it was fetched; run the command again when nobody writes to it")


def open_url(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the file's place there."""
    import fsspec  # with aiohttp it takes a quarter of a second, which only those pay who name a URL

    scheme = url.partition(":")[0]
    options: dict[str, Any] = {}
    if scheme in _WEB:
        options["client_kwargs"] = _web_settings()
    elif scheme in _S3:
        options = {"anon": _lacks_credentials(), "default_block_size": _PART_BYTES}
    filesystem, place = fsspec.core.url_to_fs(url, **options)
    return filesystem, place


def _web_settings() -> dict[str, Any]:
    import aiohttp

    return {
        # As it is stored: a server that compresses on the way would give another file.
        "headers": {"Accept-Encoding": "identity"},
        "auto_decompress": False,
        "timeout": aiohttp.ClientTimeout(None, sock_connect=_WAIT_S, sock_read=_WAIT_S),
        "trust_env": True,  # proxies, as the system's variables say
    }


@cache
def _lacks_credentials() -> bool:
    """Whether AWS's tools would find no credentials here: public buckets are read without."""
    try:
        import botocore.session
    except ImportError:
        return False  # s3fs is missing as well, which is said when it is asked for
    return botocore.session.get_session().get_credentials() is None


class UnreachableError(RemoteError):
    """The server does not answer; it may another time, or from another machine."""


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Say in our words why a URL cannot be read; the libraries' own may hold its signature."""
    try:
        yield
    except RemoteError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        raise _in_our_words(url, error) from None


def _in_our_words(url: str, error: Exception) -> RemoteError:
    scheme, name = url.partition(":")[0], shown(url)
    causes = list(_causes(error))
    status = next((found for cause in causes if (found := _status(cause)) is not None), None)
    if isinstance(error, ImportError):
        way_out = "pip install 'kerasac-ray[s3]'" if scheme in _S3 else error
        return RemoteError(f"{name} needs a package that is not installed: {way_out}")
    if isinstance(error, ValueError) and "rotocol" in str(error):
        return RemoteError(f"{name}: nothing reads {scheme}://; use https://, s3:// or a path of this machine")
    # S3 answers 400 to a token that has expired.
    if status in (401, 403) or isinstance(error, PermissionError) or (status == 400 and scheme in _S3):
        return RemoteError(f"access to {name} is refused ({status or 'no permission'}); {_way_in(scheme)}")
    # On the web whatever happens is a FileNotFoundError, with the reason as its cause.
    absent = isinstance(error, FileNotFoundError) and (scheme not in _WEB or len(causes) == 1)
    if status in (404, 410) or absent:
        return RemoteError(f"{name} does not exist; correct the URL")
    kind = f"the server answers {status}" if status is not None else type(causes[-1]).__name__
    return UnreachableError(
        f"{name} cannot be reached ({kind}); try again, check network and proxy (HTTPS_PROXY), or fetch it where there "
        "is a network and name the file"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an aiohttp or a botocore error."""
    answer = getattr(error, "response", None)
    metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    status = metadata.get("HTTPStatusCode", getattr(error, "status", None))
    return status if isinstance(status, int) else None


def _way_in(scheme: str) -> str:
    if scheme not in _S3:
        return "fetch it yourself and name the file, or use a URL that needs no login"
    if _lacks_credentials():
        return "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    return "the credentials that were found (AWS_ACCESS_KEY_ID, AWS_PROFILE …) give no access, or have expired"


def _file_name(url: str) -> str:
    """Return the last part of a URL's path, in letters that any disk takes."""
    name = re.sub(r"[^\w.+-]", "_", unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])) or "file"
    return f"_{name}" if name == MANIFEST else name


def _is_secret(key: str) -> bool:
    return _SECRET.fullmatch(key) is not None
