"""Build an entry of the cache once on this machine, whoever asks first, and let everybody map it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from kerasac.cache.files import is_at, lock, locked, nearest_folder, remove, write_whole
from kerasac.cache.manifest import MANIFEST, damage, size_bytes, write_manifest
from kerasac.cache.open_files import check_open_files, too_many_open
from kerasac.errors import CacheError

_LOCKS = "locks"
_PARTIAL = ".partial"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)

logger = logging.getLogger(__name__)

_held: dict[Path, TextIO] = {}
_held_guard = threading.Lock()
_looked_through: set[Path] = set()


def cache_folder() -> Path:
    """Return the folder of everything that can be made again: ``KERASAC_CACHE`` or ``~/.cache/kerasac-ray``."""
    named = os.environ.get("KERASAC_CACHE")
    return Path(named).expanduser().resolve() if named else Path.home() / ".cache" / "kerasac-ray"


def entry(name: str, build: Callable[[Path], None], *, verify: bool = False) -> Path:
    """Return the folder of an entry (``kind/name``), made by ``build(folder)`` when it is missing or damaged.

    Processes that ask at the same time wait for one of them to build. ``build`` fills an empty folder beside,
    which is renamed when whole: an interrupted build leaves nothing that looks finished. An entry whose files
    are not as long as they were, or with ``verify`` do not have their checksums, is built anew. From the first
    use on, this process keeps it from being dropped.

    Raises
    ------
    CacheError
        When the disk has no room for it, the folder cannot be written, or too many files are open. Nothing of it is
        left then.
    """
    folder = cache_folder() / name
    with _explained(name):
        check_open_files()
        _hold(folder)  # before looking: nobody drops it in between
        if _is_whole(folder, verify=verify):
            return folder
        with locked(_lock_file(folder, "build")):
            if not _is_whole(folder, verify=verify):
                _build(folder, build)
                if not _surely_fits():
                    shrink()
    return folder


def shrink(limit_bytes: int | None = None) -> list[str]:
    """Drop the entries used longest ago until the rest fits the limit; return their names.

    The limit is by default ``KERASAC_CACHE_GB``, or half of the disk that is free or already taken by the cache.
    What killed builders left is removed as well. Entries that a process is using are kept.
    """
    with _dropping():
        _remove_leftovers()
        entries = _entries()
        total = sum(found.bytes for found in entries)
        limit = _limit_bytes(total) if limit_bytes is None else limit_bytes
        _looked_through.add(cache_folder())
        dropped = _drop(entries, total - limit)
        write_whole(_count_file(), str(total - sum(found.bytes for found in dropped)))
    return [f"{found.folder.parent.name}/{found.folder.name}" for found in dropped]


def make_room(n_bytes: int) -> None:
    """See that the disk of the cache has room for so many more bytes.

    If need be, what killed builders left is removed, and then old entries are dropped.

    Raises
    ------
    CacheError
        When it has not, even so.
    """
    missing = _missing_bytes(n_bytes)
    if missing > 0:
        with _dropping():
            _remove_leftovers()
            missing = _missing_bytes(n_bytes)
            if missing > 0:
                _drop(_entries(), missing)
                missing = _missing_bytes(n_bytes)
    if missing > 0:
        raise CacheError(
            f"the cache {cache_folder()} needs {_gb(n_bytes)} more, and its disk lacks {_gb(missing)} of that; set "
            "KERASAC_CACHE to a folder on another disk, or compute.reader to blocks, which decodes nothing"
        )


class _Entry(NamedTuple):
    folder: Path
    bytes: int
    used_ns: int


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    partial = folder.with_name(folder.name + _PARTIAL)
    remove(partial)
    remove(folder)
    partial.mkdir(parents=True)
    try:
        build(partial)
        write_manifest(partial)
        with _dropping():
            _count(size_bytes(partial))  # before it is there: who is killed in between counted too much, not too little
            partial.replace(folder)
    except BaseException:
        remove(partial)
        raise


def _is_whole(folder: Path, *, verify: bool) -> bool:
    if not folder.exists():
        return False
    found = damage(folder, verify=verify)
    if found is not None:
        logger.warning("the cache entry %s is damaged (%s) and is made again", folder, found)
    return found is None


def _hold(folder: Path) -> None:
    """Keep a shared lock on an entry until this process ends, and note that it was used."""
    path = _lock_file(folder, "use")
    with _held_guard:
        if path not in _held or not is_at(_held[path], path):  # somebody may have cleared the cache
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
            lock(handle, path, fcntl.LOCK_SH)
            _held[path] = handle
        os.utime(path)


def _drop(entries: list[_Entry], surplus: int) -> list[_Entry]:
    """Drop the entries used longest ago, so many bytes of them."""
    dropped = []
    for found in sorted(entries, key=lambda found: found.used_ns):
        if surplus <= 0:
            break
        if _drop_unused(found.folder):
            surplus -= found.bytes
            dropped.append(found)
            logger.info("dropped %s from the cache (%s)", found.folder, _gb(found.bytes))
    return dropped


def _surely_fits() -> bool:
    """Whether the cache is within its limit, going by what was counted: never less than it holds.

    False when this process has not looked through it: a killed builder or an older version may have been at work.
    """
    counted = _counted_bytes()
    return cache_folder() in _looked_through and counted is not None and counted <= _limit_bytes(counted)


def _count(n_bytes: int) -> None:
    """Add the bytes of a new entry to those that were counted."""
    counted = _counted_bytes()
    if counted is not None:
        write_whole(_count_file(), str(counted + n_bytes))


def _counted_bytes() -> int | None:
    """Return the bytes of all entries at the last look through them and of those since; None before the first."""
    try:
        return int(_count_file().read_text())
    except (FileNotFoundError, ValueError):
        return None


def _count_file() -> Path:
    return cache_folder() / _LOCKS / "bytes"


@contextmanager
def _dropping() -> Iterator[None]:
    """Let one process at a time look through the cache and drop entries."""
    with locked(cache_folder() / _LOCKS / "dropping"):
        yield


def _drop_unused(folder: Path) -> bool:
    path = _lock_file(folder, "use")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            lock(handle, folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not folder.exists():
            return False
        doomed = folder.with_name(folder.name + _PARTIAL)
        remove(doomed)
        folder.rename(doomed)  # at once, so that nobody finds half of it
        remove(doomed)
    return True


def _remove_leftovers() -> None:
    """Remove the unfinished folders that nobody is building."""
    for leftover in cache_folder().glob(f"*/*{_PARTIAL}"):
        path = _lock_file(leftover.with_name(leftover.name.removesuffix(_PARTIAL)), "build")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as handle, suppress(BlockingIOError):
            lock(handle, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover, ignore_errors=True)  # who drops an entry may be removing it too


def _entries() -> list[_Entry]:
    """Return every entry that is whole, with its size and when it was last used."""
    return [
        _Entry(manifest.parent, size_bytes(manifest.parent), _last_used_ns(manifest.parent))
        for manifest in cache_folder().glob(f"*/*/{MANIFEST}")
        if not manifest.parent.name.endswith(_PARTIAL)
    ]


def _last_used_ns(folder: Path) -> int:
    path = _lock_file(folder, "use")
    return path.stat().st_mtime_ns if path.exists() else 0


def _lock_file(folder: Path, purpose: str) -> Path:
    """Return a lock's path: not in the entry, which comes and goes."""
    return cache_folder() / _LOCKS / f"{folder.parent.name}.{folder.name}.{purpose}"


def _missing_bytes(n_bytes: int) -> int:
    """Return how many of so many bytes the disk has no room for; 0 or less when it has."""
    return n_bytes - shutil.disk_usage(nearest_folder(cache_folder())).free


def _limit_bytes(held: int) -> int:
    given = os.environ.get("KERASAC_CACHE_GB")
    if given is None:
        return (shutil.disk_usage(cache_folder()).free + held) // 2
    try:
        return int(float(given) * 1e9)
    except (ValueError, OverflowError):
        raise CacheError(f"KERASAC_CACHE_GB is {given!r}; it takes a number of gigabytes") from None


def _is_ours(path: object) -> bool:
    """Whether a path that could not be written is in the cache, rather than a file that is read for it."""
    return isinstance(path, str) and Path(path).is_relative_to(nearest_folder(cache_folder()))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise too_many_open() from error
        if error.errno in _NO_ROOM:
            raise CacheError(
                f"no room in the cache {cache_folder()} for {name} ({error.strerror}); free some, or set KERASAC_CACHE "
                "to a folder on another disk"
            ) from error
        if error.errno in _NOT_OURS and _is_ours(error.filename):
            raise CacheError(
                f"cannot write the cache {cache_folder()} ({error.strerror}: {error.filename}); set KERASAC_CACHE to a "
                "folder that is yours"
            ) from error
        raise


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB"
