"""Keep the runs of peak attributes beside the array that our ingest writes, so that nobody has to scan for them."""

from __future__ import annotations

import io
import json
import logging
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasac.genome.assembly import IntArray
from kerasac.store.context import read_file
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Array, Track

FORMAT_VERSION = 2
# Within the array's folder, where it moves along. TileDB lists only names that begin with two underscores.
FOLDER = "kerasac"
_INDEX = "index.json"

logger = logging.getLogger(__name__)


class Runs(NamedTuple):
    """Maximal runs of equal cells other than 0, in genome order: ``start``, ``end`` (n,) int64, ``value`` (n,)."""

    start: IntArray
    end: IntArray
    value: Array


def runs_of(cells: Array, low: int) -> Runs:
    """Return the runs of cells that begin at genome row ``low``."""
    bounds = np.flatnonzero(cells[1:] != cells[:-1]) + 1
    start, end = np.r_[0, bounds], np.r_[bounds, len(cells)]
    kept = cells[start] != 0
    return Runs(start[kept] + low, end[kept] + low, cells[start[kept]])


def joined(parts: Iterable[Runs]) -> Runs:
    """Join the runs of neighbouring stretches, given in order; a run that was cut between two becomes one."""
    runs = Runs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if not len(runs.start):
        return runs
    apart = (runs.start[1:] != runs.end[:-1]) | (runs.value[1:] != runs.value[:-1])
    first, last = np.r_[True, apart], np.r_[apart, True]
    return Runs(runs.start[first], runs.end[last], runs.value[first])


def write_stored(layout: StoreLayout, runs: Mapping[Track, Runs], content: Mapping[Track, str]) -> None:
    """Write the runs of some tracks, and the digests of all tracks' cells, into the array's folder."""
    folder = Path(layout.path) / FOLDER
    folder.mkdir(exist_ok=True)
    files = {}
    for number, (track, found) in enumerate(runs.items()):
        files[_key(track)] = f"runs-{number}.npz"
        np.savez_compressed(folder / files[_key(track)], **found._asdict())
    index = {
        "version": FORMAT_VERSION,
        "state": layout.state,
        "runs": files,
        "content": {_key(track): value for track, value in content.items()},
    }
    (folder / _INDEX).write_text(json.dumps(index))


def stored_runs(layout: StoreLayout, track: Track) -> Runs | None:
    """Return the runs of a track, or None when they are not kept or the array was written to since."""
    name = _index(layout).get("runs", {}).get(_key(track))
    if name is None:
        return None
    try:
        with np.load(io.BytesIO(read_file(f"{layout.path}/{FOLDER}/{name}") or b"")) as columns:
            return Runs(columns["start"], columns["end"], columns["value"])
    except (EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s/%s/%s cannot be read (%s); the array is scanned instead", layout.path, FOLDER, name, error)
        return None


def track_content(layout: StoreLayout, track: Track) -> str:
    """Return what changes when the cells of a track do.

    For arrays of our own ingest it is a digest of the cells, so that the same files ingested again give the same;
    for others the state of the array.
    """
    return str(_index(layout).get("content", {}).get(_key(track), layout.state))


def _index(layout: StoreLayout) -> dict[str, Any]:
    path = f"{layout.path}/{FOLDER}/{_INDEX}"
    content = read_file(path)
    if content is None:
        return {}
    try:
        index: dict[str, Any] = json.loads(content)
    except ValueError:
        logger.warning("%s cannot be read; the array is scanned instead", path)
        return {}
    return index if index.get("state") == layout.state and index.get("version") == FORMAT_VERSION else {}


def _key(track: Track) -> str:
    return json.dumps(track)
