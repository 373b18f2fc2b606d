"""Finish a job of many shards: go on with what an interrupted call left, and let one call at a time do it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import remove, with_ending, write_whole
from kerasac.errors import RunError
from kerasac.runs.lock import run_lock
from kerasac.runs.shard_workers import run_shards
from kerasac.steps.sharded import ShardedJob

Progress = Callable[[int, int], None]

_JOB = "job.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What every job of models can be asked for.

    ``experiment`` and ``fasta`` say what goes into models of no run, ``corrected`` takes those without the enzyme's
    bias; ``workers`` of Ray (None: by GPUs and CPUs; 1: this process). ``overwrite`` replaces what is there.
    """

    experiment: Path | None = None
    fasta: Path | None = None
    corrected: bool = False
    workers: int | None = None
    overwrite: bool = False


def parts_folder(out: Path) -> Path:
    """Return where the shards of an output lie until it is whole."""
    return with_ending(out, "parts")


def finish_shards(
    job: ShardedJob,
    finish: Callable[[], None],
    request: JobRequest,
    *,
    what: str,
    progress: Progress | None = None,
) -> int:
    """Do the shards that are missing, then call ``finish``, which joins them, and remove them.

    ``what`` names the job and its output in messages, as ``a prediction to out.h5``. ``progress`` is told the number of
    items that are done, and of all. Returns the number of items that were done now.

    Raises
    ------
    RunError
        When the folder holds shards of another job, or another process works there.
    """
    digest = job.digest()
    job.folder.mkdir(parents=True, exist_ok=True)
    with run_lock(job.folder):
        _start(job.folder, digest, what, overwrite=request.overwrite)
        missing, n_now = job.missing(), 0
        logger.info("%d of %d shards are to be done", len(missing), job.n_shards)
        before = job.n_items - sum(job.n_in(shard) for shard in missing)
        for n in run_shards(job, missing, workers=request.workers):
            n_now += n
            if progress is not None:
                progress(before + n_now, job.n_items)
        finish()
        remove(job.folder)
    return n_now


def _start(folder: Path, digest: str, what: str, *, overwrite: bool) -> None:
    """Go on with the shards of the same job; refuse those of another one."""
    marker = folder / _JOB
    before = json.loads(marker.read_text())["job"] if marker.exists() else None
    if before not in (None, digest) and not overwrite:
        raise RunError(
            f"{folder} holds parts of another {what}, which was interrupted; remove the folder, choose another --out, "
            "or --overwrite"
        )
    if before != digest:
        for part in folder.glob("shard-*"):
            part.unlink()
        write_whole(marker, json.dumps({"job": digest}) + "\n")
