"""Note which files an entry of the cache has, to see later whether it is whole and how large it is."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kerasac.cache.files import write_whole

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
_CHUNK = 1 << 22


class _Listed(NamedTuple):
    name: str
    n_bytes: int
    checksum: int


def write_manifest(folder: Path) -> None:
    """List all files of a folder, with their sizes and checksums."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = {str(path.relative_to(folder)): [path.stat().st_size, _checksum(path)] for path in files}
    write_whole(folder / MANIFEST, json.dumps({"version": FORMAT_VERSION, "files": listed}))


def damage(folder: Path, *, verify: bool) -> str | None:
    """Say what of an entry is not as it was, with ``verify`` by checksums too; None when it is whole."""
    try:
        listed = _read(folder)
    except _UnreadableError as error:
        return str(error)
    for name, n_bytes, checksum in listed:
        path = folder / name
        if not path.exists():
            return f"{name} is missing"
        found = path.stat().st_size
        if found != n_bytes:
            return f"{name} has {found:,} bytes instead of {n_bytes:,}"
        if verify and _checksum(path) != checksum:
            return f"{name} has changed"
    return None


def size_bytes(folder: Path) -> int:
    """Return the bytes of an entry, by its manifest: a look at every file takes a cache of many entries minutes."""
    try:
        return sum(file.n_bytes for file in _read(folder)) + (folder / MANIFEST).stat().st_size
    except (_UnreadableError, FileNotFoundError):
        return _found_bytes(folder)


class _UnreadableError(Exception):
    """Says what keeps a manifest from being read."""


def _read(folder: Path) -> list[_Listed]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["version"] != FORMAT_VERSION:
            raise _UnreadableError(f"its version is {manifest['version']}")
        return [_Listed(str(name), int(n_bytes), int(crc)) for name, (n_bytes, crc) in manifest["files"].items()]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        raise _UnreadableError(f"its {MANIFEST} cannot be read") from None


def _found_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it is damaged, and may just be made again
            total += path.stat().st_size if path.is_file() else 0
    return total


def _checksum(path: Path) -> int:
    """Return the CRC-32: not to defend, but 7 GB a CPU-second."""
    value = 0
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value
