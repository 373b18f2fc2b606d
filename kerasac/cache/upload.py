"""Copy a folder to an object store, so that nobody there takes half of it for the whole."""

from __future__ import annotations

import logging
from pathlib import Path

from kerasac.cache.remote import explained, open_url, shown
from kerasac.errors import RemoteError

logger = logging.getLogger(__name__)


def upload_folder(folder: Path, url: str, *, last: str) -> None:
    """Copy the files of a folder below a URL, those in its folder ``last`` after all others.

    An upload that broke off goes on: files that are there already, with their size, are not sent again.

    Raises
    ------
    RemoteError
        When the place cannot be written, or holds other files than the folder's.
    """
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    with explained(url):
        filesystem, place = open_url(url)
        filesystem.invalidate_cache()
        found = filesystem.find(place, detail=True)
    there = {name.removeprefix(place).lstrip("/"): int(info["size"]) for name, info in found.items()}
    foreign = sorted(there.keys() - sizes.keys())
    if foreign:
        raise RemoteError(
            f"{shown(url)} holds {len(foreign)} other files ({foreign[0]} …), perhaps of an upload that was given up; "
            "remove them, or choose another place"
        )
    missing = [name for name, size in sizes.items() if there.get(name) != size]
    logger.info("uploading %d files (%s MB) to %s", len(missing), f"{_megabytes(sizes, missing):,.1f}", shown(url))
    for name in sorted(missing, key=lambda name: (Path(name).parts[0] == last, name)):
        with explained(url):
            filesystem.put_file(str(folder / name), f"{place}/{name}")


def _megabytes(sizes: dict[str, int], names: list[str]) -> float:
    return sum(sizes[name] for name in names) / 1e6
