"""Let a run's own MLflow store follow its folder to another place, or to another machine."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from kerasac.runs.tracking_record import RECORD, read_record
from kerasac.runs.tracking_store import ARTIFACTS, STORE, local_uri

logger = logging.getLogger(__name__)

_SCHEME = "sqlite:///"
# Where MLflow keeps the places of artifacts.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def follow(folder: Path) -> None:
    """Correct what the store of a run or a study folder, and the records of its runs, say of where the store lies.

    Does nothing when they are right, or when the folder has no store of its own.
    """
    before, now = read_record(folder).uri, local_uri(folder)
    old = Path(before.removeprefix(_SCHEME))
    if before == now or not before.startswith(_SCHEME) or old.name != STORE or not (folder / STORE).exists():
        return
    try:
        _replace(folder / STORE, (old.parent / ARTIFACTS).as_uri(), (folder / ARTIFACTS).resolve().as_uri())
    except sqlite3.Error as error:
        logger.warning("%s still names %s (%s)", folder / STORE, old.parent, error)
        return
    for path in (folder / RECORD, *folder.glob(f"*/{RECORD}")):
        record = read_record(path.parent)
        if record.uri == before:
            record.uri = now
            record.write(path.parent)


def _replace(store: Path, before: str, now: str) -> None:
    """Replace the beginning of every place of an artifact."""
    with closing(sqlite3.connect(store)) as database, database:
        for table, column in _COLUMNS:
            known = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            if column in known:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, len(before), before),
                )
