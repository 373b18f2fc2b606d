"""See that this process may open as many files as the cache takes: a lock an entry, and every mapped column."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from functools import cache

from kerasac.errors import CacheError

_ENOUGH = 1 << 16  # for thousands of tracks; not without end, as some programs close all numbers that might be open
_SPARE = 64  # for what builds an entry, and says in its own words when it cannot open a file


def check_open_files() -> None:
    """Raise CacheError when this process may open hardly any more files, after its limit was raised."""
    _raise_limit()
    lowest_free = os.open(os.devnull, os.O_RDONLY)  # no lower number is free: so many files are open at least
    os.close(lowest_free)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and lowest_free >= limit - _SPARE:
        raise too_many_open()


def too_many_open() -> CacheError:
    """Return the error of a process that has as many files open as it may."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CacheError(
        f"this process has nearly all of the {limit:,} files open that it may, as every track takes some; raise the "
        "limit (`ulimit -n 65536` before the command, or in limits.conf, or of the container), or use fewer tracks"
    )


@cache
def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS calls limits endless that are not
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
