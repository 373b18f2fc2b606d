"""Read and write small text files at a path of this machine or at a URL, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from kerasac.cache.files import write_whole
from kerasac.cache.remote import explained, open_url, url_of

# Each raises RemoteError for a URL that cannot be reached or is not ours, OSError for a path.


def read_small(path: Path) -> str | None:
    """Return a file's text; None when there is none."""
    url = url_of(path)
    try:
        if url is None:
            return path.read_text(encoding="utf-8")
        with explained(url):
            filesystem, place = open_url(url)
            try:
                content: bytes = filesystem.cat_file(place)
            except FileNotFoundError:
                return None
            return content.decode("utf-8")
    except FileNotFoundError:
        return None


def write_small(path: Path, text: str) -> None:
    """Write a file; nobody sees half of it."""
    url = url_of(path)
    if url is None:
        write_whole(path, text)
        return
    with explained(url):
        filesystem, place = open_url(url)
        filesystem.pipe_file(place, text.encode("utf-8"))


def remove_small(path: Path) -> None:
    """Remove a file, if it is there."""
    url = url_of(path)
    if url is None:
        path.unlink(missing_ok=True)
        return
    with explained(url):
        filesystem, place = open_url(url)
        try:
            filesystem.rm_file(place)
        except FileNotFoundError:
            return
